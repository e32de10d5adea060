"""Who is silent, and since when, is told from the engine's account."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.adapters.docker.progress.silence import Silence, registry_of
from activities.adapters.docker.progress.status import TraceStatus, TraceTransfer, TraceVertex
from tests.support.fakes.clock import Clock

LIMIT = timedelta(minutes=5)


def begun(name: str) -> TraceStatus:
    return TraceStatus((TraceVertex("v", name, started=1),))


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("[internal] load metadata for docker.io/library/busybox:1.36", "Docker Hub"),
        ("[internal] load metadata for registry.example.test/a/b:1", "registry.example.test"),
        ("resolve image config for docker-image://localhost:5000/frontend:1", "localhost:5000"),
        ("[build 1/4] FROM 127.0.0.1:5000/app@sha256:abc", "127.0.0.1:5000"),
        ("FROM localhost/app:1", "localhost"),
    ],
)
def test_a_registry_is_told_when_it_has_been_silent_for_a_moment(name: str, registry: str) -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun(name))
    clock.now += 2
    assert silence.awaited is None
    clock.now += 2
    awaited = silence.awaited
    assert awaited is not None
    assert awaited.registry == registry
    assert not awaited.is_too_much(LIMIT)
    clock.now += 300
    assert silence.awaited is not None
    assert silence.awaited.is_too_much(LIMIT)


def test_the_sentence_stays_the_same_while_the_silence_lasts() -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun("[internal] load metadata for r.test/a:1"))
    told = set()
    for _second in range(5):
        clock.now += 4
        assert silence.awaited is not None
        told.add(silence.awaited.sentence(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=clock.now), LIMIT))
    (only,) = told
    assert only.startswith("The registry r.test: nothing has been heard of the image r.test/a:1 since 00:00:00 UTC; ")


@pytest.mark.parametrize(
    "name",
    ["[2/2] ADD https://me:secret@example.test/a.tar /x", "https://me:secret@example.test/a.tar"],
)
def test_a_download_may_take_as_long_as_it_likes(name: str) -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun(name))
    clock.now += 10_000
    assert silence.awaited is not None
    assert not silence.awaited.is_too_much(LIMIT)
    assert silence.awaited.what == "https://***@example.test/a.tar"


@pytest.mark.parametrize("name", ["[2/2] RUN sleep 100", "[2/2] COPY a /x", "[internal] load build context"])
def test_what_comes_from_here_is_not_awaited(name: str) -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun(name))
    clock.now += 10_000
    assert silence.awaited is None


def test_a_layer_that_goes_on_is_not_silent_but_one_that_only_says_so_is() -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun("[1/2] FROM r.test/a:1"))
    for size in (1, 2, 3, 3, 3, 3):
        clock.now += 2
        silence.feed(TraceStatus(transfers=(TraceTransfer("v", "layer", size),)))
        assert (silence.awaited is not None) == (clock.now >= 10)


def test_what_has_come_is_not_awaited_any_more() -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.feed(begun("[internal] load metadata for r.test/a:1"))
    silence.feed(TraceStatus((TraceVertex("v", "", started=1, completed=2),)))
    clock.now += 10_000
    assert silence.awaited is None


def test_an_images_host_is_read_as_docker_reads_it() -> None:
    assert [registry_of(image) for image in ("a:1", "a/b:1", "a.b/c", "a:5/b", "localhost/a")] == [
        "Docker Hub",
        "Docker Hub",
        "a.b",
        "a:5",
        "localhost",
    ]
