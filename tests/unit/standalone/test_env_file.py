from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from standalone.env_file import exposed_secrets


@pytest.fixture
def file() -> Iterator[Path]:
    """A .env in a folder that every user of this host can reach, as few of pytest's own are."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / ".env"
        file.touch()
        file.chmod(0o644)
        yield file


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("GITHUB_TOKEN=abc", "GITHUB_TOKEN"),
        ("export GITHUB_TOKEN = 'abc'", "GITHUB_TOKEN"),
        ("slipway_github_token=abc", "SLIPWAY_GITHUB_TOKEN"),
        ('SLIPWAY_OBJECT_STORE_OPTIONS={"secret_access_key": "abc"}', "SLIPWAY_OBJECT_STORE_OPTIONS"),
        ("HTTPS_PROXY=http://me:secret@proxy:3128", "HTTPS_PROXY"),
        ("DATABASE_URL=postgresql://me:secret@db/builds", "DATABASE_URL"),
    ],
)
def test_a_secret_that_others_may_read_is_named_with_what_to_do_and_not_shown(file: Path, line: str, name: str) -> None:
    file.write_text(f"SLIPWAY_API_PORT=8080\n{line}\n")
    warning = exposed_secrets(file)
    assert warning == f"other users of this host may read {name} in {file}: run `chmod 600 {file}`"


@pytest.mark.parametrize("text", ["", "SLIPWAY_API_PORT=8080\n", "GITHUB_TOKEN=\n", "#GITHUB_TOKEN=abc\n"])
def test_a_file_without_secrets_may_be_read_by_all(file: Path, text: str) -> None:
    file.write_text(text)
    assert exposed_secrets(file) == ""


def test_a_file_that_others_cannot_read_or_reach_is_no_matter(file: Path) -> None:
    file.write_text("GITHUB_TOKEN=abc\n")
    file.chmod(0o640)
    assert exposed_secrets(file) == ""
    file.chmod(0o644)
    file.parent.chmod(0o700)
    assert exposed_secrets(file) == ""
    assert exposed_secrets(file.parent / "no-such-file") == ""
