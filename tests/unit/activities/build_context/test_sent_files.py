import io
import os
import tarfile
from pathlib import Path

import pytest

from activities.context.places import locate_context
from activities.context.tar import ContextSummary, write_context
from models.rules.errors.source import IgnoreFileInvalid
from tests.support.builds.sent_contexts import fill, names, sent


class Stopped(Exception):
    pass


def test_the_context_is_sent_as_it_is_with_root_as_owner(tree: Path) -> None:
    long_name = "/".join(["a_folder_with_quite_a_long_name"] * 10)
    fill(tree, "Dockerfile", "bin/run.sh", "größe/🚢", f"{long_name}/file")
    (tree / "big").write_bytes(bytes(range(256)) * 5000)
    (tree / "empty").mkdir()
    (tree / "empty.txt").touch()
    (tree / "bin" / "run.sh").chmod(0o755)
    os.symlink("./bin//run.sh", tree / "link")  # noqa: PTH211 - pathlib would tidy it up
    (tree / "dangling").symlink_to("nothing")
    os.utime(tree / "Dockerfile", (1_700_000_000, 1_700_000_000))
    entries, contents = sent(tree)
    found = {entry.name: entry for entry in entries}
    assert set(found) == {str(path.relative_to(tree)) for path in tree.rglob("*")}
    assert contents["big"] == bytes(range(256)) * 5000
    assert contents[f"{long_name}/file"] == f"{long_name}/file".encode()
    assert contents["empty.txt"] == b""
    assert (found["link"].issym(), found["link"].linkname) == (True, "./bin//run.sh")
    assert found["empty"].isdir()
    assert found["bin/run.sh"].mode == 0o755
    assert found["Dockerfile"].mtime == 1_700_000_000
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "", "")}


@pytest.mark.parametrize("size", [8 * 1024**3, 8 * 1024**3 + 1])
def test_a_file_of_more_than_a_header_can_count_is_announced_behind_a_plain_beginning(tree: Path, size: int) -> None:
    fill(tree, "Dockerfile")
    with (tree / "0").open("wb") as file:
        file.truncate(size)
    beginning = bytearray()

    def take(piece: bytes) -> None:
        beginning.extend(piece)
        raise Stopped

    with pytest.raises(Stopped):
        write_context(locate_context(tree, "Dockerfile"), take)
    with tarfile.open(fileobj=io.BytesIO(beginning[: 16 * tarfile.BLOCKSIZE]), mode="r|", ignore_zeros=True) as tar:
        first, second = tar.next(), tar.next()
    assert first is not None
    assert (first.name, first.pax_headers) == (".", {})
    assert second is not None
    assert (second.name, second.size) == ("0", size)


def test_links_in_the_context_are_not_looked_behind(tree: Path) -> None:
    fill(tree, "Dockerfile", "a")
    for number, target in enumerate(("/", "..", "../outside", "/proc/self", ".")):
        (tree / f"link{number}").symlink_to(target)
    assert names(tree) == ["Dockerfile", "a", "link0", "link1", "link2", "link3", "link4"]
    assert write_context(locate_context(tree, "Dockerfile"), lambda _piece: None).size_bytes == len("Dockerfilea")


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    streams = []
    for name, paths in (
        ("one", ["a-b", "a/b", "B", "a.c", "Dockerfile"]),
        ("two", ["Dockerfile", "a.c", "a/b", "B", "a-b"]),
    ):
        fill(tmp_path / name, *paths)
        for place in (tmp_path / name).rglob("*"):
            os.utime(place, (1, 1))
        streams.append(io.BytesIO())
        write_context(locate_context(tmp_path / name, "Dockerfile"), streams[-1].write)
    assert streams[0].getvalue() == streams[1].getvalue()


def test_the_summary_counts_what_went_and_what_stayed(tree: Path) -> None:
    fill(tree, "Dockerfile", "a", "src/b", "build/x", "build/y", **{".dockerignore": "build\na\n"})
    (tree / "link").symlink_to("a")
    summary = write_context(locate_context(tree, "Dockerfile"), lambda _piece: None)
    assert summary == ContextSummary(
        files=4, size_bytes=len("Dockerfile") + len("src/b") + len("build\na\n"), ignored=2, is_dockerfile_extra=False
    )


def test_the_dockerfile_is_sent_even_when_it_is_ignored(tree: Path) -> None:
    fill(tree, "Dockerfile", "a", **{".dockerignore": "*\n"})
    assert names(tree) == ["Dockerfile"]


def test_what_comes_back_brings_the_folders_above_it(tree: Path) -> None:
    fill(tree, "Dockerfile", "a/b/c/kept", "a/b/c/lost", "a/x", "z", **{".dockerignore": "*\n!a/b/c/kept\n"})
    (tree / "a" / "b").chmod(0o700)
    entries, _contents = sent(tree)
    assert [entry.name for entry in entries] == ["Dockerfile", "a", "a/b", "a/b/c", "a/b/c/kept"]
    assert entries[2].mode == 0o700


def test_wild_cards_bring_back_from_below_ignored_folders(tree: Path) -> None:
    fill(tree, "Dockerfile", "a/b/x.py", "a/x.go", **{".dockerignore": "**\n!**/*.py\n"})
    assert names(tree) == ["Dockerfile", "a", "a/b", "a/b/x.py"]


def test_the_ignore_file_of_the_dockerfile_wins(tree: Path) -> None:
    fill(
        tree,
        "app.Dockerfile",
        "a",
        "b",
        **{".dockerignore": "a\n", "app.Dockerfile.dockerignore": "b\n.d*\n**/*.dockerignore"},
    )
    assert names(tree, "app.Dockerfile") == ["a", "app.Dockerfile"]


def test_case_is_told_apart(tree: Path) -> None:
    fill(tree, "Dockerfile", "BUILD", "build", **{".dockerignore": "build\n.dockerignore\n"})
    assert names(tree) == ["BUILD", "Dockerfile"]


@pytest.mark.parametrize("target", [None, "../outside/Dockerfile", "/etc/hostname", "nothing", ".dockerignore"])
def test_an_ignore_file_that_is_no_file_of_the_context_says_nothing(tree: Path, target: str | None) -> None:
    """As to docker, whose engine sees the context alone."""
    fill(tree, "Dockerfile", "a")
    if target is None:
        (tree / ".dockerignore").mkdir()
    else:
        (tree / ".dockerignore").symlink_to(target)
    assert names(tree) == [".dockerignore", "Dockerfile", "a"]


@pytest.mark.parametrize("target", ["config/ignore", "/config/ignore", "config/../config/ignore", "../config/ignore"])
def test_a_linked_ignore_file_holds_when_it_leads_to_a_file_of_the_context(tree: Path, target: str) -> None:
    fill(tree, "Dockerfile", "a", b="b")
    fill(tree, "config/keep")
    (tree / "config" / "ignore").write_text("a\nconfig\n")
    (tree / ".dockerignore").symlink_to(target)
    assert names(tree) == [".dockerignore", "Dockerfile", "b"]


def test_a_faulty_ignore_file_is_refused_before_anything_is_sent(tree: Path) -> None:
    fill(tree, "Dockerfile", **{".dockerignore": "ok\n[\n"})
    pieces: list[bytes] = []
    with pytest.raises(IgnoreFileInvalid, match="line 2"):
        write_context(locate_context(tree, "Dockerfile"), pieces.append)
    assert not pieces


def test_pipes_and_sockets_are_left_out(tree: Path) -> None:
    fill(tree, "Dockerfile")
    os.mkfifo(tree / "pipe")
    assert names(tree) == ["Dockerfile"]


def test_a_large_file_goes_in_small_pieces_and_stopping_is_possible(tree: Path) -> None:
    fill(tree, "Dockerfile")
    with (tree / "big").open("wb") as file:
        file.truncate(50 * 1024**2)
    sizes: list[int] = []

    def take(piece: bytes) -> None:
        sizes.append(len(piece))
        if sum(sizes) > 10 * 1024**2:
            raise Stopped

    with pytest.raises(Stopped):
        write_context(locate_context(tree, "Dockerfile"), take)
    assert max(sizes) <= 1024**2
    assert sum(sizes) < 11 * 1024**2
