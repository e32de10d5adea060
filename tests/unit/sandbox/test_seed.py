"""The sample products are the same everywhere, and leave alone what is not theirs."""

from pathlib import Path

import pytest

from sandbox.git import git_directory
from sandbox.seed import SOURCES, SeedFailed, seed
from tests.support.servers.sandbox_server import git


def test_the_sample_product_has_the_same_commits_everywhere(tmp_path: Path) -> None:
    shas = [git(seed(tmp_path / name), "rev-parse", "v1.0.0", "v1.1.0", "HEAD") for name in ("one", "two")]
    assert shas[0] == shas[1]
    assert git(tmp_path / "one" / "demo" / "hello", "status", "--short") == ""


def test_each_version_of_the_sample_product_says_its_version(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    for tag in ("v1.0.0", "v1.1.0"):
        dockerfile = git(hello, "show", f"{tag}:Dockerfile")
        assert dockerfile.startswith("FROM busybox:1.36\n")
        assert f"assemble.sh {tag.removeprefix('v')}" in dockerfile


def test_each_version_of_the_sample_product_holds_its_own_files(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    for tag in ("v1.0.0", "v1.1.0"):
        sources = SOURCES / tag
        names = sorted(path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file())
        assert git(hello, "ls-tree", "-r", "--name-only", tag).splitlines() == names
        for name in names:
            assert git(hello, "show", f"{tag}:{name}") == (sources / name).read_text().strip()


def test_seeding_again_leaves_what_the_user_has_made_of_it(tmp_path: Path) -> None:
    hello = seed(tmp_path)
    git(hello, "commit", "--quiet", "--allow-empty", "--message=Mine")
    mine = git(hello, "rev-parse", "HEAD")
    assert seed(tmp_path) == hello
    assert git(hello, "rev-parse", "HEAD") == mine
    assert [each.name for each in tmp_path.iterdir()] == ["demo"]


def test_seeding_moves_no_folder_of_the_user_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo" / "hello").mkdir(parents=True)
    (tmp_path / "demo" / "hello" / "notes.txt").write_text("mine")
    with pytest.raises(SeedFailed, match="is in the way"):
        seed(tmp_path)
    assert git_directory(tmp_path / "demo" / "hello") is None
    assert (tmp_path / "demo" / "hello" / "notes.txt").read_text() == "mine"
