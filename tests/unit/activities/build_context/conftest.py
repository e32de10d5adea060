"""What tests of build contexts share."""

from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with something outside it that must stay there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"
