import gzip
import io
import itertools
import os
import stat
import tarfile
from pathlib import Path

import pytest

from activities.folders import remove_tree
from activities.source.archive import ArchiveSummary, extract_archive, inspect_archive
from activities.source.tree import ArchiveLimits
from models.rules.errors.source import SourceRefused
from tests.support.engine.hostile_archives import (
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
from tests.support.engine.unpacked_trees import LIMITS, snapshot, unwatched


class Stopped(Exception):
    pass


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
