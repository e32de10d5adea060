import io
import os
import tarfile
from pathlib import Path

import pytest

from activities.context.places import BuildContext, locate_context
from activities.context.tar import ContextSummary, name_in_tar, write_context
from models.rules.errors.source import DockerfileInvalid, IgnoreFileInvalid


class Stopped(Exception):
    pass


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with something outside it that must stay there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def fill(tree: Path, *paths: str, **contents: str) -> None:
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
    for name, content in contents.items():
        (tree / name).write_text(content)


def sent(context: Path, dockerfile: str = "Dockerfile") -> tuple[list[tarfile.TarInfo], dict[str, bytes]]:
    """Read what the engine would: the entries in order, and the files' contents."""
    return sent_of(locate_context(context, dockerfile, "."))


def sent_of(context: BuildContext) -> tuple[list[tarfile.TarInfo], dict[str, bytes]]:
    stream = io.BytesIO()
    write_context(context, stream.write)
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        first, *entries = tar.getmembers()
        assert (first.name, first.isdir(), first.pax_headers) == (".", True, {})
        files = {entry.name: tar.extractfile(entry) for entry in entries if entry.isfile()}
        return entries, {name: file.read() for name, file in files.items() if file}


def names(context: Path, dockerfile: str = "Dockerfile") -> list[str]:
    return [entry.name for entry in sent(context, dockerfile)[0]]


@pytest.mark.parametrize(
    ("asked", "folder", "name"),
    [
        ("Dockerfile", ".", "Dockerfile"),
        ("./Dockerfile", ".", "Dockerfile"),
        ("app/docker/prod.Dockerfile", "app/docker", "prod.Dockerfile"),
        ("app//docker/./prod.Dockerfile", "app/docker", "prod.Dockerfile"),
        ("größe/Dockerfile", "größe", "Dockerfile"),
        ("linked/prod.Dockerfile", "app/docker", "prod.Dockerfile"),
        ("app/link", "app", "link"),
    ],
)
def test_the_folder_of_the_dockerfile_is_the_context(tree: Path, asked: str, folder: str, name: str) -> None:
    fill(tree, "Dockerfile", "app/docker/prod.Dockerfile", "größe/Dockerfile")
    (tree / "linked").symlink_to("app/docker")
    (tree / "app" / "link").symlink_to("docker/../docker/prod.Dockerfile")
    context = locate_context(tree, asked)
    assert context.folder == (tree / folder).resolve()
    assert context.dockerfile == (tree / folder / name).resolve()
    assert context.name == folder
    assert context.ignore_file is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Missing", "There is no 'Missing' in the source. There is: 'app/Dockerfile', 'app/Dockerfile.dev'."),
        ("missing/Dockerfile", "There is no 'missing/Dockerfile'"),
        ("app/Dockerfile/x", "There is no 'app/Dockerfile/x'"),
        ("app", "'app' is a folder"),
        ("app/", "'app' is a folder"),
        ("../outside/Dockerfile", "does not name a file in the source"),
        ("app/../../outside/Dockerfile", "does not name a file in the source"),
        ("/etc/passwd", "does not name a file in the source"),
        ("", "does not name a file in the source"),
        (".", "does not name a file in the source"),
        ("a\nb", "control characters"),
        ("a\0b", "control characters"),
        ("\udcff", "control characters"),
        ("a" * 300, "longer than"),
        ("a/" * 600 + "b", "longer than"),
        ("link-out", "leads out of the build's context"),
        ("app/link-to-sibling", "leads out of the build's context"),
        ("absolute-link", "leads out of the build's context"),
        (
            "folder-out/Dockerfile",
            "The folder of 'folder-out/Dockerfile' leads out of the source: 'folder-out' is a link",
        ),
        ("dangling", "is a link to a file that does not exist"),
        ("circle", "is a link to a file that does not exist"),
        ("circle/Dockerfile", "There is no"),
        ("link-to-folder", "is a folder"),
        ("pipe", "is no regular file"),
    ],
)
def test_a_dockerfile_that_cannot_be_used_is_named_with_the_reason(tree: Path, asked: str, words: str) -> None:
    fill(tree, "app/Dockerfile", "app/Dockerfile.dev", "app/Dockerfile.dockerignore", "other/file")
    (tree / "link-out").symlink_to("../outside/Dockerfile")
    (tree / "absolute-link").symlink_to("/etc/passwd")
    (tree / "app" / "link-to-sibling").symlink_to("../other/file")
    (tree / "folder-out").symlink_to("../outside")
    (tree / "dangling").symlink_to("nothing")
    (tree / "circle").symlink_to("circle")
    (tree / "link-to-folder").symlink_to("app")
    os.mkfifo(tree / "pipe")
    with pytest.raises(DockerfileInvalid) as refusal:
        locate_context(tree, asked)
    assert words in refusal.value.detail
    assert len(refusal.value.detail) < 500


def test_a_source_without_any_dockerfile_says_so(tree: Path) -> None:
    fill(tree, "README.md")
    with pytest.raises(DockerfileInvalid, match="It holds no Dockerfile at all"):
        locate_context(tree, "Dockerfile")


def test_suggestions_are_few(tree: Path) -> None:
    fill(tree, *(f"app{number}/Dockerfile" for number in range(100)))
    with pytest.raises(DockerfileInvalid) as refusal:
        locate_context(tree, "Dockerfile")
    assert refusal.value.detail.count("/Dockerfile") == 5


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


def test_a_linked_dockerfile_is_sent_with_the_file_it_leads_to(tree: Path) -> None:
    fill(tree, "docker/prod", "docker/other", "a", **{".dockerignore": "*\n"})
    (tree / "Dockerfile").symlink_to("docker/prod")
    assert names(tree) == ["docker", "docker/prod"]
    assert name_in_tar(locate_context(tree, "Dockerfile")) == "docker/prod"


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


@pytest.mark.parametrize(
    ("dockerfile", "context", "folder"),
    [
        ("docker/Dockerfile", ".", "."),
        ("docker/Dockerfile", "./", "."),
        ("docker/Dockerfile", "app", "app"),
        ("docker/Dockerfile", "app/", "app"),
        ("docker/Dockerfile", "./app//web/.", "app/web"),
        ("docker/Dockerfile", "current", "app/web"),
        ("docker/Dockerfile", None, "docker"),
        ("Dockerfile", "docker", "docker"),
    ],
)
def test_the_context_may_be_any_folder_of_the_source(
    tree: Path, dockerfile: str, context: str | None, folder: str
) -> None:
    fill(tree, "docker/Dockerfile", "Dockerfile", "app/web/x")
    (tree / "current").symlink_to("app/web")
    found = locate_context(tree, dockerfile, context)
    assert found.folder == (tree / folder).resolve()
    assert found.name == folder
    assert found.dockerfile == (tree / dockerfile).resolve()


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("missing", "There is no folder 'missing' in the source to be the build's context"),
        ("app/x", "There is no folder 'app/x' in the source"),
        ("../outside", "'../outside' does not name a folder in the source"),
        ("/etc", "'/etc' does not name a folder in the source"),
        ("", "does not name a folder in the source"),
        ("a\tb", "control characters"),
        ("out", "The context leads out of the source: 'out' is a link"),
        ("absolute/web", "The context leads out of the source: 'absolute' is a link"),
        ("circle", "There is no folder 'circle' in the source"),
    ],
)
def test_a_context_that_is_none_is_named_with_the_reason(tree: Path, context: str, words: str) -> None:
    fill(tree, "Dockerfile", "app/x")
    (tree / "out").symlink_to("../outside")
    (tree / "absolute").symlink_to("/app")
    (tree / "circle").symlink_to("circle")
    with pytest.raises(DockerfileInvalid) as refusal:
        locate_context(tree, "Dockerfile", context)
    assert words in refusal.value.detail


@pytest.mark.parametrize(("target", "real"), [("/sub/real", "app/sub/real"), ("sub/../sub/real", "app/sub/real")])
def test_a_linked_dockerfile_is_read_as_if_its_folder_were_the_root_of_all(tree: Path, target: str, real: str) -> None:
    fill(tree, "app/sub/real", "app/x")
    (tree / "app" / "Dockerfile").symlink_to(target)
    assert locate_context(tree, "app/Dockerfile").dockerfile == (tree / real).resolve()


def test_a_linked_dockerfile_may_lead_to_any_file_of_a_wider_context(tree: Path) -> None:
    fill(tree, "common/real", "app/x")
    (tree / "app" / "Dockerfile").symlink_to("../common/real")
    assert locate_context(tree, "app/Dockerfile", ".").dockerfile == (tree / "common" / "real").resolve()
    with pytest.raises(DockerfileInvalid, match="leads out of the build's context, the folder 'app'"):
        locate_context(tree, "app/Dockerfile")


def test_a_dockerfile_outside_the_context_is_sent_beside_it_under_a_free_name(tree: Path) -> None:
    fill(tree, "docker/Dockerfile", "app/x", "app/.slipway.Dockerfile")
    context = locate_context(tree, "docker/Dockerfile", "app")
    entries, contents = sent_of(context)
    assert [entry.name for entry in entries] == [".slipway.Dockerfile", "x", ".slipway.Dockerfile_"]
    assert contents[name_in_tar(context)] == b"docker/Dockerfile"


def test_the_dockerfiles_own_ignore_file_lies_beside_it_and_holds_for_the_context(tree: Path) -> None:
    fill(tree, "docker/Dockerfile", "app/x", "app/y")
    (tree / "docker" / "Dockerfile.dockerignore").write_text("x\n")
    (tree / "app" / ".dockerignore").write_text("y\n")
    entries, _contents = sent_of(locate_context(tree, "docker/Dockerfile", "app"))
    assert [entry.name for entry in entries] == [".dockerignore", "y", ".slipway.Dockerfile"]


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
