"""Logs: every byte, once, in order, for every reader."""

import asyncio
import hashlib

import httpx

from tests.support.log_reader import bytes_of_steps, read_stream
from tests.support.servers.product import Product

_PAD = "x" * 71


def _lines(count: int, *, at_once: int, pause_microseconds: int) -> str:
    """A RUN that writes numbered lines of 80 bytes; busybox' awk flushes before each pause."""
    return (
        "RUN awk 'BEGIN { for (i = 1; i <= " + str(count) + '; i++) { printf "%08d ' + _PAD + '\\n", i;'
        " if (i % " + str(at_once) + ' == 0) { fflush(); system("usleep ' + str(pause_microseconds) + "\") } } }'\n"
    )


def _expected(count: int) -> bytes:
    return b"".join(f"{number:08d} {_PAD}\n".encode() for number in range(1, count + 1))


async def test_long_logs_arrive_whole_over_fifty_disconnects_late_and_at_a_second_process(product: Product) -> None:
    """A build of 100,000 numbered lines at about 0.8 MB/s, beside one of 30 MB over some 40 s."""
    second = await product.start_second_api()
    try:
        await asyncio.gather(
            _check_whole(product, second, "numbered", 100_000, pause_microseconds=95_000),
            _check_whole(product, second, "thirty", 375_000, pause_microseconds=100_000),
        )
    finally:
        await second.aclose()
        await product.stop("api-2")


async def _check_whole(
    product: Product, second: httpx.AsyncClient, name: str, count: int, *, pause_microseconds: int
) -> None:
    script = _lines(count, at_once=1000, pause_microseconds=pause_microseconds)
    commit = product.repository(name, {"Dockerfile": f"{product.base}{script}RUN echo last words\n"})
    row = await product.order(name, commit)
    unsteady, elsewhere = await asyncio.gather(
        read_stream(product.api, row["id"], disconnects=50), read_stream(second, row["id"])
    )
    whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
    late = await read_stream(second, row["id"])
    assert unsteady.connections == 51
    assert [stream.end["status"] for stream in (unsteady, elsewhere, late) if stream.end] == ["success"] * 3
    assert [bytes(stream.data) == whole for stream in (unsteady, elsewhere, late)] == [True] * 3
    steps = bytes_of_steps(whole)
    assert hashlib.sha256(steps[2]).digest() == hashlib.sha256(_expected(count)).digest()
    assert steps[3] == b"last words\n"

    async def is_kept() -> bool:
        kept = await product.rows(
            "SELECT log_bytes, log_loss, log_sha256 FROM build_executions WHERE build_id = $1::uuid", row["build_id"]
        )
        return [tuple(each) for each in kept] == [(len(whole), None, hashlib.sha256(whole).hexdigest())]

    await product.until(is_kept)


async def test_a_burst_ends_with_its_step_in_success_and_the_build_says_what_was_lost(product: Product) -> None:
    dockerfile = f"{product.base}RUN yes 0123456789012345678901234567890123456789 | head -c 100000000\n"
    commit = product.repository("burst", {"Dockerfile": dockerfile})
    row = await product.settled((await product.order("burst", commit))["id"])
    assert row["build_status"] == "success", row["build_error"]
    assert row["log_notice"]
    assert product.engine.images.get(f"{product.prefix}/burst:v1").id == row["docker_image_id"]


async def test_odd_bytes_pass_whole(product: Product) -> None:
    odd = b"\x00\x01nul\x1b[31mred\x1b[0m\rprogress 1\rprogress 2\n\xff\xfe\x80 no utf-8\n" + b"m" * 1_000_000
    commit = product.repository("odd", {"Dockerfile": f"{product.base}COPY odd /odd\nRUN cat /odd\n", "odd": odd})
    row = await product.settled((await product.order("odd", commit))["id"])
    whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
    stream = await read_stream(product.api, row["id"])
    assert bytes(stream.data) == whole
    assert whole.split(b"Step 3/3 : RUN cat /odd\n", 1)[1].rstrip(b"\n") == odd
    assert "\ufffd" in row["build_log"]


async def test_bytes_that_no_text_may_hold_pass_whole_and_keep_no_build_from_its_end(product: Product) -> None:
    odd = "RUN printf 'nul \\000 and \\377 end\\n'"
    commits = {
        "odd-success": product.repository("odd-success", {"Dockerfile": f"{product.base}{odd}\n"}),
        "odd-failure": product.repository("odd-failure", {"Dockerfile": f"{product.base}{odd}; exit 7\n"}),
    }
    orders = [await product.order(name, commit) for name, commit in commits.items()]
    success, failure = [await product.settled(row["id"]) for row in orders]
    assert (success["build_status"], failure["build_status"]) == ("success", "failed")
    assert "exit code 7" in failure["build_error"]
    for row in (success, failure):
        whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
        assert b"nul \0 and \xff end\n" in whole
        attempts = await product.rows("SELECT 1 FROM build_executions WHERE build_id = $1::uuid", row["build_id"])
        assert len(attempts) == 1


async def test_a_dockerfile_that_is_no_text_is_a_failed_build_that_says_so(product: Product) -> None:
    commit = product.repository("odd-dockerfile", {"Dockerfile": b"\x00\xff\xfe garbage\n"})
    row = await product.settled((await product.order("odd-dockerfile", commit))["id"])
    assert row["build_status"] == "failed"
    assert "lease" not in row["build_error"]
    attempts = await product.rows("SELECT 1 FROM build_executions WHERE build_id = $1::uuid", row["build_id"])
    assert len(attempts) == 1
