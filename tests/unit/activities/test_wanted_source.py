"""A build unpacks what it needs of a source: what lies elsewhere neither counts nor is judged."""

from pathlib import Path

import pytest

from activities.context.places import locate_context
from activities.source.archive import extract_archive, inspect_archive
from activities.source.tree import ArchiveLimits
from activities.source.wanted import wanted_for
from models.rules.errors.source import DockerfileInvalid, SourceRefused
from tests.support.engine.hostile_archives import REFUSED as HARMFUL
from tests.support.engine.hostile_archives import TOP, entry, folder, hard_link, symlink, write

LIMITS = ArchiveLimits(max_entries=50, max_unpacked_bytes=1024**2)
DOCKERFILE = b"FROM busybox:1.36\n"


def unwatched(_unpacked_bytes: int) -> None:
    pass


def unpacked(tmp_path: Path, dockerfile: str, context: str | None, *entries: bytes) -> set[str]:
    """Unpack what such a build wants of an archive, as its download and its builder do."""
    archive, into = tmp_path / "source.tar.gz", tmp_path / "into"
    into.mkdir(exist_ok=True)
    write(archive, folder(TOP), *entries)
    wanted = wanted_for(dockerfile, context)
    inspect_archive(archive, LIMITS, unwatched, wanted)
    extract_archive(archive, into, LIMITS, unwatched, wanted)
    return {str(path.relative_to(into)) for path in into.rglob("*") if path.is_symlink() or not path.is_dir()}


def repository() -> tuple[bytes, ...]:
    names = ("app/Dockerfile", "app/src/a", "web/Dockerfile", "web/b", "docker/prod", "docker/prod.dockerignore")
    beside = (".gitattributes", ".gitmodules", "app/.gitattributes", "README", "application/x", "docker/x")
    return tuple(entry(f"{TOP}/{name}", DOCKERFILE) for name in (*names, *beside))


@pytest.mark.parametrize(
    ("dockerfile", "context", "wanted"),
    [
        (
            "app/Dockerfile",
            None,
            "app/Dockerfile app/src/a app/.gitattributes .gitattributes .gitmodules web/Dockerfile",
        ),
        ("docker/prod", "web", "web/b docker/prod docker/prod.dockerignore .gitattributes .gitmodules Dockerfiles"),
        (
            "./docker//prod",
            "./web/",
            "web/b docker/prod docker/prod.dockerignore .gitattributes .gitmodules Dockerfiles",
        ),
    ],
)
def test_a_build_gets_its_context_its_dockerfile_and_what_speaks_of_them(
    tmp_path: Path, dockerfile: str, context: str | None, wanted: str
) -> None:
    expected = set(wanted.replace("Dockerfiles", "app/Dockerfile web/Dockerfile").split())
    assert unpacked(tmp_path, dockerfile, context, *repository()) == expected


@pytest.mark.parametrize(("dockerfile", "context"), [("Dockerfile", None), ("app/Dockerfile", "."), ("x", "./")])
def test_a_build_from_the_top_gets_everything(tmp_path: Path, dockerfile: str, context: str | None) -> None:
    assert wanted_for(dockerfile, context).is_all
    assert len(unpacked(tmp_path, dockerfile, context, *repository())) == len(repository())


def test_what_lies_outside_of_the_context_neither_counts_nor_is_judged(tmp_path: Path) -> None:
    elsewhere = (
        entry(f"{TOP}/big", bytes(2 * 1024**2)),
        entry(f"{TOP}/other/Dockerfile.bin", bytes(2 * 1024**2)),
        *(entry(f"{TOP}/many/{number}") for number in range(100)),
        entry(f"{TOP}/dev/null", kind=b"3"),
        entry(f"{TOP}/dev/pipe", kind=b"6"),
        symlink(f"{TOP}/python3", "/Library/python3"),
    )
    files = unpacked(tmp_path, "app/Dockerfile", None, *elsewhere, *repository())
    assert "app/src/a" in files
    assert "big" not in files


@pytest.mark.parametrize("kind", ["parent in a name", "absolute name", "no top folder", "garbled header"])
def test_a_name_that_leads_out_is_refused_wherever_the_context_is(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "source.tar.gz"
    HARMFUL[kind](archive)
    with pytest.raises(SourceRefused):
        inspect_archive(archive, LIMITS, unwatched, wanted_for("app/Dockerfile", None))


def test_the_context_itself_is_judged(tmp_path: Path) -> None:
    for harm in (entry(f"{TOP}/app/pipe", kind=b"6"), entry(f"{TOP}/app/big", bytes(2 * 1024**2))):
        with pytest.raises(SourceRefused):
            unpacked(tmp_path, "app/Dockerfile", None, harm, *repository())


def test_passing_over_has_a_limit_too(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="beside the build's own"):
        unpacked(tmp_path, "app/Dockerfile", None, *(entry(f"{TOP}/many/{number}") for number in range(500)))


def test_a_context_and_a_dockerfile_are_found_through_links(tmp_path: Path) -> None:
    links = (
        symlink(f"{TOP}/current", "releases/v2"),
        symlink(f"{TOP}/releases/v2", "../web"),
        symlink(f"{TOP}/Dockerfile.web", "docker/prod"),
    )
    files = unpacked(tmp_path, "Dockerfile.web", "current", *links, *repository())
    assert {"web/b", "docker/prod", "current", "releases/v2", "Dockerfile.web"} <= files
    assert "app/src/a" not in files
    context = locate_context(tmp_path / "into", "app/Dockerfile", "current")
    assert context.name == "web"


def test_a_linked_folder_of_the_dockerfile_is_found_with_its_ignore_file(tmp_path: Path) -> None:
    files = unpacked(tmp_path, "build/prod", None, symlink(f"{TOP}/build", "docker"), *repository())
    assert {"docker/prod", "docker/prod.dockerignore", "docker/x"} <= files
    assert locate_context(tmp_path / "into", "build/prod").ignore_file is not None


def test_links_that_lead_nowhere_bring_nothing(tmp_path: Path) -> None:
    links = (symlink(f"{TOP}/app", "/etc"), symlink(f"{TOP}/docker", "docker"), symlink(f"{TOP}/x", "../.."))
    for context in ("app", "docker", "x"):
        assert context in unpacked(tmp_path, "Dockerfile", context, *links, entry(f"{TOP}/Dockerfile"))
        with pytest.raises(DockerfileInvalid):
            locate_context(tmp_path / "into", "Dockerfile", context)


def test_a_hard_link_brings_the_file_it_names_wherever_that_lies(tmp_path: Path) -> None:
    linked = hard_link(f"{TOP}/app/linked", f"{TOP}/README")
    assert "app/linked" in unpacked(tmp_path, "app/Dockerfile", None, *repository(), linked)
    assert (tmp_path / "into" / "app" / "linked").read_bytes() == DOCKERFILE
