"""What is said of a source before somebody deploys it: pointers, empty submodules, what GitHub's archives leave out."""

from pathlib import Path

import pytest

from activities.context.preparation import PreparedSource, prepare_source
from activities.source.tree import ArchiveLimits
from models.rules.errors.source import DockerfileInvalid
from tests.support.engine.hostile_archives import TOP, entry, folder, symlink, write

LIMITS = ArchiveLimits(max_entries=2_000, max_unpacked_bytes=1024**2)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 123456\n"


def prepared(
    tmp_path: Path,
    files: dict[str, str | bytes],
    *more: bytes,
    dockerfile: str = "Dockerfile",
    context: str | None = None,
) -> PreparedSource:
    archive, into = tmp_path / "source.tar.gz", tmp_path / "into"
    into.mkdir(exist_ok=True)
    contents = {name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()}
    entries = [entry(f"{TOP}/{name}", content) for name, content in contents.items()]
    write(archive, folder(TOP), *entries, *more)
    return prepare_source(archive, into, LIMITS, lambda _bytes: None, dockerfile_path=dockerfile, context_path=context)


PLAIN: dict[str, str | bytes] = {"Dockerfile": "FROM scratch\n", "app/Dockerfile": "FROM scratch\n"}


def test_an_ordinary_source_needs_no_notice(tmp_path: Path) -> None:
    attributes = (
        "* text=auto\n*.bin filter=lfs diff=lfs merge=lfs -text\n.gitignore export-ignore\n/.github export-ignore\n"
    )
    ordinary = PLAIN | {".gitattributes": attributes, "a.bin": b"\0" * 200, "lfs.md": "see version https://git-lfs"}
    assert prepared(tmp_path, ordinary).notices == ()


def test_git_lfs_pointers_are_counted_and_named(tmp_path: Path) -> None:
    (one,) = prepared(tmp_path, PLAIN | {"model.bin": POINTER}).notices
    assert one == "Git LFS: 1 file of the build's context is a pointer, not the contents GitHub shows: 'model.bin'."
    (many,) = prepared(tmp_path, PLAIN | {f"models/{number}.bin": POINTER for number in range(7)}).notices
    assert many.startswith(
        "Git LFS: 7 files are pointers, not the contents GitHub shows: 'models/0.bin', 'models/1.bin'"
    )
    assert many.endswith(" and 2 more.")


def test_very_many_pointers_are_not_all_counted(tmp_path: Path) -> None:
    (notice,) = prepared(tmp_path, PLAIN | {f"{number}.bin": POINTER for number in range(1001)}).notices
    assert notice.startswith("Git LFS: 1000 or more files are pointers")


@pytest.mark.parametrize(
    "files",
    [
        {".dockerignore": "models\n", "models/a": POINTER},
        {".dockerignore": "*\n!Dockerfile\n", "a": POINTER},
        {"a": POINTER + b"x" * 1024},
        {"a": b" " + POINTER},
    ],
    ids=["ignored folder", "allow list", "no pointer: too large", "no pointer: text before it"],
)
def test_what_is_no_pointer_in_the_context_is_not_told(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    assert prepared(tmp_path, PLAIN | files).notices == ()


def test_only_the_context_is_spoken_of(tmp_path: Path) -> None:
    files = PLAIN | {
        "big.bin": POINTER,
        ".gitmodules": '[submodule "x"]\n\tpath = lib\n\turl = https://example.com/x\n',
        ".gitattributes": "/docs export-ignore\n/other/** export-ignore\n",
    }
    assert prepared(tmp_path, files, folder(f"{TOP}/lib"), dockerfile="app/Dockerfile").notices == ()
    assert len(prepared(tmp_path, files, folder(f"{TOP}/lib")).notices) == 3


MODULES = """[submodule "one"]
\tpath = vendor/one
\turl = https://example.com/one
[submodule "with space"]
        url = ../two
        path = "vendor/with space"
[submodule "full"]\r
  path=vendor/full\r
[submodule "out"]
\tpath = ../../etc
\tpath = /etc
"""


def test_submodules_that_are_left_empty_are_named(tmp_path: Path) -> None:
    files = PLAIN | {".gitmodules": MODULES, "vendor/full/x": "x"}
    (notice,) = prepared(tmp_path, files, folder(f"{TOP}/vendor/one")).notices
    assert notice == (
        "Submodules are empty in GitHub's archives, and so in the build's context: 'vendor/one', 'vendor/with space'."
    )


def test_a_submodule_that_the_ignore_file_leaves_out_is_not_told(tmp_path: Path) -> None:
    files = PLAIN | {".gitmodules": MODULES, ".dockerignore": "vendor\n"}
    assert prepared(tmp_path, files, folder(f"{TOP}/vendor/one")).notices == ()


def test_what_export_ignore_leaves_out_is_named(tmp_path: Path) -> None:
    attributes = "/tests export-ignore\n*.md text export-ignore\n/docs export-ignore\n/docs -export-ignore\n"
    files = PLAIN | {".gitattributes": attributes, "app/.gitattributes": "fixtures/ export-ignore\n"}
    (notice,) = prepared(tmp_path, files, dockerfile="app/Dockerfile").notices
    assert notice.endswith("is not in the build's context: '*.md', 'app/fixtures/'.")
    (notice,) = prepared(tmp_path, files).notices
    assert notice.endswith("is not in the build's context: '/tests', '*.md'.")


@pytest.mark.parametrize("target", ["/etc/hosts", "../ignore", "nothing"])
def test_an_ignore_file_that_says_nothing_is_told(tmp_path: Path, target: str) -> None:
    (notice,) = prepared(tmp_path, PLAIN, symlink(f"{TOP}/.dockerignore", target)).notices
    assert notice == ".dockerignore is no file of the build's context, so nothing is left out, as with docker build."


@pytest.mark.parametrize(
    ("place", "attributes", "asked"),
    [
        (".gitattributes", "Dockerfile export-ignore", "Dockerfile"),
        (".gitattributes", "/Dockerfile export-ignore", "Dockerfile"),
        (".gitattributes", "# docker\n\nDocker* text=auto export-ignore", "Dockerfile"),
        (".gitattributes", "Dockerfile export-ignore", "docker/Dockerfile"),
        (".gitattributes", "docker export-ignore", "docker/prod/Dockerfile"),
        (".gitattributes", "/docker/ export-ignore", "docker/Dockerfile"),
        (".gitattributes", "docker/** export-ignore", "docker/Dockerfile"),
        (".gitattributes", "**/prod/*file export-ignore", "a/b/prod/Dockerfile"),
        (".gitattributes", '"docker file" export-ignore', "docker file"),
        (".gitattributes", "[!a]ockerfile export-ignore", "Dockerfile"),
        ("docker/.gitattributes", "Dockerfile export-ignore", "docker/Dockerfile"),
        (".gitattributes", "docker export-ignore\ndocker/Dockerfile -export-ignore", "docker/Dockerfile"),
    ],
)
def test_a_dockerfile_that_githubs_archive_leaves_out_is_said_to_be(
    tmp_path: Path, place: str, attributes: str, asked: str
) -> None:
    with pytest.raises(DockerfileInvalid) as refusal:
        prepared(tmp_path, {place: attributes, "README": ""}, dockerfile=asked)
    assert refusal.value.detail.startswith(f"There is no '{asked}' in the source. GitHub's archives leave it out,")
    assert f"{place}, line " in refusal.value.detail
    assert len(refusal.value.detail) < 400


@pytest.mark.parametrize(
    "attributes",
    [
        "Dockerfile export-ignore\nDockerfile -export-ignore",
        "Dockerfile export-ignore\nDockerfile !export-ignore",
        "Dockerfile -export-ignore",
        "Dockerfile/ export-ignore",
        "/docker/Dockerfile export-ignore",
        "dockerfile export-ignore",
        "Dockerfile export-subst",
        "!Dockerfile export-ignore",
        "[ export-ignore",
        "",
    ],
)
def test_a_dockerfile_that_misses_for_no_such_reason_is_not_said_to(tmp_path: Path, attributes: str) -> None:
    with pytest.raises(DockerfileInvalid) as refusal:
        prepared(tmp_path, {".gitattributes": attributes, "README": ""})
    assert "GitHub's archives leave it out" not in refusal.value.detail


def test_a_dockerfile_in_a_submodule_is_said_to_lie_there(tmp_path: Path) -> None:
    with pytest.raises(DockerfileInvalid, match="in the submodule 'vendor/one', which GitHub's archives leave empty"):
        prepared(tmp_path, {".gitmodules": MODULES}, dockerfile="vendor/one/Dockerfile")
    with pytest.raises(DockerfileInvalid, match="in the submodule 'vendor/one', which GitHub's archives leave empty"):
        prepared(tmp_path, PLAIN | {".gitmodules": MODULES}, context="vendor/one/src")


@pytest.mark.parametrize("target", ["/etc", "../outside"])
def test_attributes_are_not_read_through_links_out(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".gitattributes").write_text("Dockerfile export-ignore\n")
    with pytest.raises(DockerfileInvalid) as refusal:
        prepared(tmp_path, PLAIN, symlink(f"{TOP}/link", target), dockerfile="link/Dockerfile")
    assert "leads out of the source" in refusal.value.detail


def test_hostile_attributes_cost_no_time(tmp_path: Path) -> None:
    attributes = "\n".join("*a" * 60 + f"{number} export-ignore" for number in range(100))
    with pytest.raises(DockerfileInvalid):
        prepared(tmp_path, {".gitattributes": attributes}, dockerfile="a" * 250)
