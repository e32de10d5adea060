"""The GitHub adapter when something is wrong, over real HTTP against the look-alike."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest

from activities.adapters.github import answers
from activities.adapters.github.rest import GitHub
from models.rules.errors.domain import DomainError
from models.rules.errors.source import (
    SourceHostDenied,
    SourceHostRateLimited,
    SourceHostUnreachable,
    SourceHostWrong,
)
from models.rules.redaction import Redaction
from tests.support.servers.sandbox_commits import NOWHERE, PATIENT, downloaded, hello_commit
from tests.support.servers.sandbox_server import RunningSandbox, git, running_sandbox

HASTY = timedelta(seconds=0.3)


async def test_a_wrong_token_is_said_without_being_shown(sandbox: RunningSandbox) -> None:
    stranger = GitHub(sandbox.url, "ghp_wrong", PATIENT)
    with pytest.raises(SourceHostDenied, match="GITHUB_TOKEN") as denied:
        await stranger.resolve_tag("demo/hello", "v1.0.0")
    assert "ghp_wrong" not in denied.value.detail
    await stranger.aclose()


def test_a_token_with_a_line_break_inside_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="copy it again") as refused:
        GitHub("http://127.0.0.1:9", "ghp_a\nb", PATIENT)
    assert "ghp_a" not in str(refused.value)


async def test_an_empty_token_is_none(sandbox: RunningSandbox) -> None:
    anonymous = GitHub(f"{sandbox.url}/", " ", PATIENT)
    assert len(await anonymous.tags("demo/hello", 10)) == 2
    assert [request["has_authorization"] for request in sandbox.requests()] == [False]
    await anonymous.aclose()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, SourceHostUnreachable),
        ({"status": 503}, SourceHostUnreachable),
        ({"status": 401}, SourceHostDenied),
        ({"status": 403}, SourceHostDenied),
        ({"status": 451}, SourceHostDenied),
        ({"status": 429}, SourceHostRateLimited),
        ({"rate_limit": "primary"}, SourceHostRateLimited),
        ({"rate_limit": "secondary"}, SourceHostRateLimited),
        ({"cut_off_after_bytes": 5}, SourceHostUnreachable),
        ({"corrupt": True}, SourceHostWrong),
    ],
    ids=str,
)
async def test_each_fault_of_github_has_its_own_error(
    github: GitHub, sandbox: RunningSandbox, fault: dict[str, object], error: type[DomainError]
) -> None:
    for route in ("ref", "references", "tags", "commits"):
        sandbox.order(route=route, **fault)
    commit = hello_commit(sandbox, "v1.0.0")
    for call in (
        github.resolve_tag("demo/hello", "v1.0.0"),
        github.tags("demo/hello", 1),
        github.tag_references("demo/hello"),
        github.peel("demo/hello", git(sandbox.root / "demo" / "hello", "rev-parse", "v1.1.0")),
        github.commit("demo/hello", commit),
    ):
        with pytest.raises(error) as raised:
            await call
        assert sandbox.token not in raised.value.detail
        assert raised.value.detail.endswith((".", '".'))


@pytest.mark.parametrize("before", range(140, 202, 6))
async def test_a_token_that_github_repeats_is_never_shown_wherever_its_words_are_cut(before: int) -> None:
    token = "ghp_" + "0123456789abcdefghijklmnopqrstuvwx"
    complaint = answers.complaint_in(
        json.dumps({"message": "x" * before + token + "y" * 99}).encode(), Redaction([token])
    )
    assert token[:8] not in complaint
    assert len(complaint) <= 200


@pytest.mark.parametrize("kind", ["primary", "secondary"])
async def test_a_rate_limit_says_when_to_come_back(github: GitHub, sandbox: RunningSandbox, kind: str) -> None:
    sandbox.order(route="ref", rate_limit=kind, retry_after_seconds=90)
    with pytest.raises(SourceHostRateLimited) as limited:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert limited.value.retry_after is not None
    assert timedelta(seconds=60) < limited.value.retry_after <= timedelta(seconds=90)


async def test_a_rate_limit_that_names_no_time_asks_for_a_minute(github: GitHub, sandbox: RunningSandbox) -> None:
    sandbox.order(route="ref", status=429)
    with pytest.raises(SourceHostRateLimited) as limited:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert limited.value.retry_after == timedelta(minutes=1)


async def test_the_limit_of_callers_without_a_token_is_met(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox", anonymous_limit=2) as strict:
        anonymous = GitHub(strict.url, None, PATIENT)
        for _request in range(2):
            await anonymous.tags("demo/hello", 1)
        with pytest.raises(SourceHostRateLimited, match="GITHUB_TOKEN has a limit of its own"):
            await anonymous.tags("demo/hello", 1)
        await anonymous.aclose()


async def test_a_silent_github_is_unreachable(sandbox: RunningSandbox) -> None:
    hasty = GitHub(sandbox.url, None, HASTY)
    sandbox.order(route="ref", stall_after_bytes=10)
    sandbox.order(route="tags", delay_seconds=2)
    for call in (hasty.resolve_tag("demo/hello", "v1.0.0"), hasty.tags("demo/hello", 1)):
        with pytest.raises(SourceHostUnreachable, match="try again"):
            await call
    await hasty.aclose()


async def test_a_download_that_stalls_is_unreachable_and_tells_how_far_it_came(sandbox: RunningSandbox) -> None:
    hasty = GitHub(sandbox.url, None, HASTY)
    sandbox.order(route="tarball", stall_after_bytes=100)
    with pytest.raises(SourceHostUnreachable, match=r"silent for 0\.3 s, 100 bytes into the source"):
        await downloaded(hasty, "demo/hello", hello_commit(sandbox, "v1.0.0"))
    await hasty.aclose()


async def test_a_download_that_is_cut_off_is_broken_and_the_next_is_whole(
    github: GitHub, sandbox: RunningSandbox
) -> None:
    commit = hello_commit(sandbox, "v1.0.0")
    sandbox.order(route="tarball", cut_off_after_bytes=100, times=1)
    with pytest.raises(SourceHostUnreachable, match="after 100 bytes"):
        await downloaded(github, "demo/hello", commit)
    assert gzip.decompress(await downloaded(github, "demo/hello", commit))


@pytest.mark.parametrize("route", ["tarball", "codeload"])
async def test_a_download_that_is_refused_is_said_before_its_first_byte(
    github: GitHub, sandbox: RunningSandbox, route: str
) -> None:
    sandbox.order(route=route, status=502)
    with pytest.raises(SourceHostUnreachable, match="answered 502"):
        await downloaded(github, "demo/hello", hello_commit(sandbox, "v1.0.0"))


async def test_a_corrupt_download_has_all_its_bytes(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = hello_commit(sandbox, "v1.0.0")
    whole = await downloaded(github, "demo/hello", commit)
    sandbox.order(route="tarball", corrupt=True)
    corrupt = await downloaded(github, "demo/hello", commit)
    assert len(corrupt) == len(whole)
    assert corrupt != whole


async def test_a_reader_that_leaves_a_download_harms_nobody(github: GitHub, sandbox: RunningSandbox) -> None:
    commit = hello_commit(sandbox, "v1.0.0")
    sandbox.order(route="tarball", stall_after_bytes=10, times=1)
    async with github.tarball("demo/hello", commit) as chunks:
        assert await anext(aiter(chunks))
    assert gzip.decompress(await downloaded(github, "demo/hello", commit))


async def test_a_host_that_does_not_answer_is_unreachable() -> None:
    github = GitHub("http://127.0.0.1:1", "secret-token", PATIENT)
    with pytest.raises(SourceHostUnreachable, match=r"127\.0\.0\.1:1 cannot be reached .*GITHUB_API_URL") as error:
        await github.resolve_tag("demo/hello", "v1.0.0")
    assert "secret-token" not in error.value.detail
    await github.aclose()


async def test_a_host_that_is_no_github_is_told_as_such(sandbox: RunningSandbox) -> None:
    """The sandbox's own routes answer JSON, and 200, but nothing that GitHub would say."""
    elsewhere = GitHub(f"{sandbox.url}/_sandbox/health?", None, PATIENT)
    for call in (elsewhere.resolve_tag("a/b", "v1"), elsewhere.tags("a/b", 1), elsewhere.commit("a/b", NOWHERE)):
        with pytest.raises(SourceHostWrong, match="not GitHub's API"):
            await call
    await elsewhere.aclose()
