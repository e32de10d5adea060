import gzip
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.source.archive import extract_archive, inspect_archive
from models.rules.errors.source import SourceBroken, SourceRefused
from tests.support.engine.hostile_archives import (
    BOMBS,
    BROKEN,
    HOSTILE,
    REFUSED,
    TOP,
    Writer,
    entry,
    folder,
    pax,
    symlink,
    write,
)
from tests.support.engine.unpacked_trees import LIMITS, snapshot, unwatched


def outcome(archive: Path, into: Path) -> tuple[type[Exception], type[Exception]]:
    with pytest.raises((SourceBroken, SourceRefused)) as inspected:
        inspect_archive(archive, LIMITS, unwatched)
    with pytest.raises((SourceBroken, SourceRefused)) as extracted:
        extract_archive(archive, into, LIMITS, unwatched)
    assert inspected.value.detail == extracted.value.detail
    assert len(inspected.value.detail) < 500
    assert inspected.value.detail.isprintable()
    return inspected.type, extracted.type


@pytest.mark.parametrize("writer", (REFUSED | BOMBS).values(), ids=list(REFUSED | BOMBS))
def test_a_hostile_archive_is_refused_and_changes_nothing(writer: Writer, archive: Path, into: Path) -> None:
    writer(archive)
    before = snapshot(into.parent / "canary")
    for error in outcome(archive, into):
        assert issubclass(error, SourceRefused)
    assert snapshot(into.parent / "canary") == before
    assert sorted(path.name for path in into.parent.iterdir()) == ["canary", "into", "source.tar.gz"]
    assert not list(into.iterdir())
    assert not Path("/slipway-escaped").exists()


@pytest.mark.parametrize("writer", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_download_may_be_tried_again(writer: Writer, archive: Path, into: Path) -> None:
    writer(archive)
    assert outcome(archive, into) == (SourceBroken, SourceBroken)
    assert not list(into.iterdir())


def test_the_whole_corpus_is_told_apart() -> None:
    assert set(HOSTILE) == set(REFUSED) | set(BOMBS) | set(BROKEN)
    assert len(HOSTILE) == len(REFUSED) + len(BOMBS) + len(BROKEN)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parent in a name", f"'{TOP}/../escaped' has a name that leads out of the tree"),
        ("file below a link", "lies below 'a', which is no folder"),
        ("named pipe", "pipe' is a named pipe"),
        ("NUL in a pax name", r"a\x00b' has a name that GitHub would not write"),
        ("link without a target", "is a link to '', which is no name a file can have"),
        ("10 GB from 10 MB", "unpacks to more than 16777216 bytes"),
        ("a million entries", "more than 1000 files and folders"),
        ("two top folders", "'other' lies outside the one top folder"),
        ("nothing inside", "The source archive is empty"),
        ("cut off", "is cut off before its end"),
    ],
)
def test_the_refusal_says_what_and_why(name: str, words: str, archive: Path) -> None:
    HOSTILE[name](archive)
    with pytest.raises((SourceBroken, SourceRefused)) as refusal:
        inspect_archive(archive, LIMITS, unwatched)
    assert words in refusal.value.detail


@pytest.mark.parametrize("writer", BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_is_not_unpacked_beyond_the_limits(writer: Writer, archive: Path) -> None:
    writer(archive)
    seen: list[int] = []
    with pytest.raises(SourceRefused):
        inspect_archive(archive, LIMITS, seen.append)
    assert max(seen) <= LIMITS.max_unpacked_bytes + LIMITS.max_entries * 4096 + 2 * 1024**2


NAMES = st.sampled_from(["a", "b", "c", "a/a", "a/b", "b/c", "a/b/c", "c/a/b"])
TARGETS = st.lists(st.sampled_from(["..", "a", "b", "c", ".", "/", "/etc"]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES, TARGETS | st.none()), max_size=8))
def test_no_tree_of_links_is_written_through(archive: Path, into: Path, places: list[tuple[str, str | None]]) -> None:
    outside = snapshot(into.parent / "canary")
    write(
        archive,
        folder(TOP),
        *(symlink(f"{TOP}/{name}", target) if target else entry(f"{TOP}/{name}", b"x") for name, target in places),
    )
    try:
        extract_archive(archive, into, LIMITS, unwatched)
    except SourceRefused:
        assert not list(into.iterdir())
    for place in into.rglob("*"):
        assert not any(above.is_symlink() for above in place.parents if above.is_relative_to(into))
        assert not place.is_symlink() or os.readlink(place) in dict(places).values()  # noqa: PTH115
    assert snapshot(into.parent / "canary") == outside
    assert sorted(path.name for path in into.parent.iterdir()) == ["canary", "into", "source.tar.gz"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_garbled_headers_are_never_a_surprise(archive: Path, into: Path, data: st.DataObject) -> None:
    long_name = pax([("path", f"{TOP}/x"), ("size", "3")])
    tar = bytearray(folder(TOP) + long_name + entry(f"{TOP}/y", b"abc") + symlink(f"{TOP}/l", "x") + bytes(1024))
    for place in data.draw(st.lists(st.integers(0, len(tar) - 1), min_size=1, max_size=4)):
        tar[place] = data.draw(st.integers(0, 255))
    for start in (0, 512, 1536, 2560):  # right checksums, or nothing but them would be looked at
        header = tar[start : start + 512]
        header[148:156] = b" " * 8
        tar[start + 148 : start + 156] = f"{sum(header):06o}\0 ".encode()
    archive.write_bytes(gzip.compress(bytes(tar), compresslevel=1))
    try:
        extract_archive(archive, into, LIMITS, unwatched)
    except (SourceRefused, SourceBroken):
        assert not list(into.iterdir())
    assert {path.name for path in into.parent.iterdir()} <= {"canary", "into", "source.tar.gz"}
