import gzip
import io
import itertools
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.folders import remove_tree
from activities.source.archive import ArchiveSummary, extract_archive, inspect_archive
from activities.source.tree import ArchiveLimits
from models.rules.errors.source import SourceBroken, SourceRefused
from tests.support.engine.hostile_archives import (
    BOMBS,
    BROKEN,
    HOSTILE,
    REFUSED,
    TAKEN,
    TOP,
    Writer,
    entry,
    folder,
    hard_link,
    pax,
    symlink,
    write,
    write_tree,
)

LIMITS = ArchiveLimits(max_entries=1_000, max_unpacked_bytes=16 * 1024**2)

Snapshot = dict[str, tuple[int, int, bytes]]


def unwatched(_unpacked_bytes: int) -> None:
    pass


class Stopped(Exception):
    pass


def snapshot(tree: Path) -> Snapshot:
    """Everything below a folder: mode, time and contents; links are not followed."""
    found: Snapshot = {}
    for place in (tree, *sorted(tree.rglob("*"))):
        status = place.lstat()
        link = os.fsencode(place.readlink()) if place.is_symlink() else None
        content = link or (place.read_bytes() if stat.S_ISREG(status.st_mode) else b"")
        found[str(place.relative_to(tree))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "source.tar.gz"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The target, with a canary beside it where links and names that lead out would land."""
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "file").write_text("untouched")
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


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


def test_an_ordinary_repository_is_unpacked_as_it_is(archive: Path, into: Path) -> None:
    long_name = "/".join(["a_folder_with_quite_a_long_name"] * 10)
    run = tarfile.TarInfo(f"{TOP}/run.sh")
    run.size, run.mode, run.mtime = 3, 0o6775, 1_700_000_000
    write(
        archive,
        pax([("comment", "0123456789012345678901234567890123456789")], tarfile.XGLTYPE),
        folder(f"{TOP}/"),
        folder(f"{TOP}/empty/"),
        entry(f"{TOP}/empty.txt"),
        run.tobuf() + b"ls\n" + bytes(509),
        entry(f"{TOP}/größe/日本語 🚢.txt", "ü".encode()),
        entry(f"{TOP}/{long_name}/file", b"long"),
        pax([("path", f"{TOP}/{long_name}/pax"), ("mtime", "1.5")]),
        entry("short", b"pax"),
        entry(f"{TOP}/big", bytes(range(256)) * 4096),
        symlink(f"{TOP}/docs", "größe"),
        symlink(f"{TOP}/größe/up", "../run.sh"),
        symlink(f"{TOP}/via", "docs/../docs/up"),
        symlink(f"{TOP}/dangling", "not/there"),
        symlink(f"{TOP}/circle", "circle"),
        symlink(f"{TOP}/here", "."),
        hard_link(f"{TOP}/same", f"{TOP}/run.sh"),
    )
    summary = inspect_archive(archive, LIMITS, unwatched)
    extract_archive(archive, into, LIMITS, unwatched)
    assert summary.top_folder == TOP
    assert summary.unpacked_bytes == 3 + 2 + 4 + 3 + 1024**2 + 3
    assert summary.entries == len(list(into.rglob("*"))) + 1
    assert (into / "run.sh").read_bytes() == b"ls\n"
    assert (into / "größe" / "日本語 🚢.txt").read_text() == "ü"
    assert (into / long_name / "file").read_bytes() == b"long"
    assert (into / long_name / "pax").read_bytes() == b"pax"
    assert (into / "big").read_bytes() == bytes(range(256)) * 4096
    assert (into / "empty").is_dir()
    assert (into / "empty.txt").read_bytes() == b""
    assert (into / "via").resolve() == into / "run.sh"
    assert (into / "same").samefile(into / "run.sh")
    assert stat.S_IMODE((into / "run.sh").stat().st_mode) == 0o755
    assert (into / "run.sh").stat().st_mtime == 1_700_000_000
    assert stat.S_IMODE((into / "big").stat().st_mode) == 0o644
    assert stat.S_IMODE((into / "größe").stat().st_mode) == 0o755
    assert (into / "run.sh").stat().st_uid == os.geteuid()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_every_common_form_of_tar_is_read(form: int, archive: Path, into: Path) -> None:
    files = {f"{TOP}/{'d' * 90}/{'e' * 90}": b"1", f"{TOP}/plain": b"22" * 700}
    with tarfile.open(archive, "w:gz", format=form) as tar:
        top = tarfile.TarInfo(TOP)
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    assert inspect_archive(archive, LIMITS, unwatched) == ArchiveSummary(4, 1401, TOP)
    extract_archive(archive, into, LIMITS, unwatched)
    for name, content in files.items():
        assert (into / name).relative_to(into).parts[0] == TOP
        assert (into / Path(name).relative_to(TOP)).read_bytes() == content


def test_unpacking_again_starts_over(archive: Path, into: Path) -> None:
    write_tree(archive)
    (into / "leftover").mkdir(mode=0o500)
    (into / "Dockerfile").symlink_to(into.parent / "canary" / "file")
    extract_archive(archive, into, LIMITS, unwatched)
    assert [path.name for path in into.iterdir()] == ["Dockerfile"]
    assert (into.parent / "canary" / "file").read_text() == "untouched"


def test_a_caller_that_is_cancelled_ends_the_work_and_nothing_stays(archive: Path, into: Path) -> None:
    write_tree(archive, *(entry(f"{TOP}/{number}", bytes(1024**2)) for number in range(20)))
    seen: list[int] = []

    def stop_half_way(unpacked_bytes: int) -> None:
        seen.append(unpacked_bytes)
        if unpacked_bytes > 10 * 1024**2:
            assert any(into.iterdir())
            raise Stopped

    with pytest.raises(Stopped):
        extract_archive(archive, into, LIMITS, stop_half_way)
    assert not list(into.iterdir())
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 256 * 1024


def test_the_limits_themselves_are_allowed(archive: Path) -> None:
    write_tree(archive, entry(f"{TOP}/file", bytes(82)))
    exact = ArchiveLimits(max_entries=3, max_unpacked_bytes=100)
    assert inspect_archive(archive, exact, unwatched) == ArchiveSummary(3, 100, TOP)
    for less in (ArchiveLimits(2, 100), ArchiveLimits(3, 99)):
        with pytest.raises(SourceRefused):
            inspect_archive(archive, less, unwatched)


def test_the_archive_may_come_in_parts_and_with_padding(archive: Path) -> None:
    write_tree(archive)
    whole = gzip.decompress(archive.read_bytes())
    archive.write_bytes(gzip.compress(whole[:700]) + gzip.compress(b"") + gzip.compress(whole[700:]) + bytes(1000))
    assert inspect_archive(archive, LIMITS, unwatched).entries == 2


def test_a_tree_is_removed_whatever_its_modes_and_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").write_text("x")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").write_text("stays")
    (tree / "link").symlink_to(tmp_path / "beside")
    for locked in (tree / "a" / "b", tree / "a", tree):
        locked.chmod(0o000)
    remove_tree(tree)
    remove_tree(tree)
    assert [path.name for path in tmp_path.rglob("*")] == ["beside", "file"]
    (tmp_path / "link").symlink_to(tmp_path / "beside")
    remove_tree(tmp_path / "link")
    assert (tmp_path / "beside" / "file").read_text() == "stays"


@pytest.mark.parametrize("writer", TAKEN.values(), ids=list(TAKEN))
def test_what_is_only_odd_is_unpacked_as_it_is_and_leads_nowhere(writer: Writer, archive: Path, into: Path) -> None:
    writer(archive)
    before = snapshot(into.parent / "canary")
    inspect_archive(archive, LIMITS, unwatched)
    extract_archive(archive, into, LIMITS, unwatched)
    with tarfile.open(archive, encoding="utf-8", errors="surrogateescape") as tar:
        wanted = {member.name.partition("/")[2]: member for member in tar.getmembers()[1:]}
    assert not [name for name in wanted if not os.path.lexists(into / name)]
    for name, member in wanted.items():
        if member.issym():
            assert os.readlink(into / name) == member.linkname  # noqa: PTH115 - letter by letter
    assert snapshot(into.parent / "canary") == before
    assert sorted(path.name for path in into.parent.iterdir()) == ["canary", "into", "source.tar.gz"]


def test_a_hard_link_to_a_link_is_that_link(archive: Path, into: Path) -> None:
    write_tree(archive, symlink(f"{TOP}/a", "./Dockerfile"), hard_link(f"{TOP}/b", f"{TOP}/a"))
    extract_archive(archive, into, LIMITS, unwatched)
    assert os.readlink(into / "b") == "./Dockerfile"  # noqa: PTH115 - letter by letter


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
