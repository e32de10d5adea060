import os
from pathlib import Path

import pytest

from activities.context.places import locate_context
from activities.context.tar import name_in_tar
from models.rules.errors.source import DockerfileInvalid
from tests.support.builds.sent_contexts import fill, names, sent_of


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


def test_a_linked_dockerfile_is_sent_with_the_file_it_leads_to(tree: Path) -> None:
    fill(tree, "docker/prod", "docker/other", "a", **{".dockerignore": "*\n"})
    (tree / "Dockerfile").symlink_to("docker/prod")
    assert names(tree) == ["docker", "docker/prod"]
    assert name_in_tar(locate_context(tree, "Dockerfile")) == "docker/prod"


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
