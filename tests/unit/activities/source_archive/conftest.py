"""What tests of source archives share: where one lies, and where it is unpacked."""

from pathlib import Path

import pytest


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
