"""Logs: every byte, once, in order, for every reader."""

import asyncio
import hashlib

from tests.support.log_reader import bytes_of_steps, read_stream
from tests.support.product import Product

_PAD = "x" * 71


def _lines(count: int, *, at_once: int, pause_microseconds: int) -> str:
    """A RUN that writes numbered lines of 80 bytes; busybox' awk flushes before each pause."""
    return (
        "RUN awk 'BEGIN { for (i = 1; i <= " + str(count) + '; i++) { printf "%08d ' + _PAD + '\\n", i;'
        " if (i % " + str(at_once) + ' == 0) { fflush(); system("usleep ' + str(pause_microseconds) + "\") } } }'\n"
    )


def _expected(count: int) -> bytes:
    return b"".join(f"{number:08d} {_PAD}\n".encode() for number in range(1, count + 1))


async def test_a_hundred_thousand_lines_arrive_whole_over_fifty_disconnects_and_at_a_second_process(
    product: Product,
) -> None:
    count = 100_000
    script = _lines(count, at_once=1000, pause_microseconds=95_000)  # about 0.8 MB/s
    commit = product.repository("numbered", {"Dockerfile": f"FROM busybox:1.36\n{script}RUN echo last words\n"})
    row = await product.order("numbered", commit)
    second = await product.start_second_api()
    try:
        unsteady, steady, elsewhere = await asyncio.gather(
            read_stream(product.api, row["id"], disconnects=50),
            read_stream(product.api, row["id"]),
            read_stream(second, row["id"]),
        )
        whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
        late = await read_stream(second, row["id"])
    finally:
        await second.aclose()
        await product.stop("api-2")
    assert unsteady.connections == 51
    assert unsteady.end is not None
    assert unsteady.end["status"] == "success"
    assert bytes(unsteady.data) == whole
    assert bytes(steady.data) == whole
    assert bytes(elsewhere.data) == whole
    assert bytes(late.data) == whole
    steps = bytes_of_steps(whole)
    assert steps[2] == _expected(count)
    assert steps[3] == b"last words\n"
    kept = await product.rows(
        "SELECT log_bytes, log_loss FROM build_executions WHERE build_id = $1::uuid", row["build_id"]
    )
    assert [tuple(execution) for execution in kept] == [(len(whole), None)]


async def test_thirty_megabytes_in_forty_seconds_arrive_whole(product: Product) -> None:
    count = 375_000
    script = _lines(count, at_once=1000, pause_microseconds=100_000)
    commit = product.repository("thirty", {"Dockerfile": f"FROM busybox:1.36\n{script}"})
    row = await product.order("thirty", commit)
    stream = await read_stream(product.api, row["id"], disconnects=50, seed=2)
    whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
    assert bytes(stream.data) == whole
    assert hashlib.sha256(bytes_of_steps(whole)[2]).digest() == hashlib.sha256(_expected(count)).digest()
    assert stream.end is not None
    assert stream.end["status"] == "success"

    async def is_kept() -> bool:
        kept = await product.rows("SELECT log_sha256 FROM build_executions WHERE build_id = $1::uuid", row["build_id"])
        return bool(kept[0]["log_sha256"] == hashlib.sha256(whole).hexdigest())

    await product.until(is_kept)


async def test_a_burst_ends_with_its_step_in_success_and_the_build_says_what_was_lost(product: Product) -> None:
    dockerfile = "FROM busybox:1.36\nRUN yes 0123456789012345678901234567890123456789 | head -c 100000000\n"
    commit = product.repository("burst", {"Dockerfile": dockerfile})
    row = await product.settled((await product.order("burst", commit))["id"])
    assert row["build_status"] == "success", row["build_error"]
    assert row["log_notice"]
    assert product.engine.images.get(f"{product.prefix}/burst:v1").id == row["docker_image_id"]


async def test_odd_bytes_pass_whole(product: Product) -> None:
    odd = b"\x00\x01nul\x1b[31mred\x1b[0m\rprogress 1\rprogress 2\n\xff\xfe\x80 no utf-8\n" + b"m" * 1_000_000
    commit = product.repository("odd", {"Dockerfile": "FROM busybox:1.36\nCOPY odd /odd\nRUN cat /odd\n", "odd": odd})
    row = await product.settled((await product.order("odd", commit))["id"])
    whole = (await product.api.get(f"/api/v1/images/{row['id']}/log")).content
    stream = await read_stream(product.api, row["id"])
    assert bytes(stream.data) == whole
    assert whole.split(b"Step 3/3 : RUN cat /odd\n", 1)[1].rstrip(b"\n") == odd
    assert "\ufffd" in row["build_log"]
