import os
from pathlib import Path

import pytest

from process.private_folder import make_private
from standalone.servers.unprivileged import let_in


@pytest.mark.parametrize(("before", "after"), [(0o700, 0o710), (0o755, 0o755), (0o711, 0o711)])
def test_a_group_may_pass_through_our_folder_but_not_look_around(tmp_path: Path, before: int, after: int) -> None:
    folder = tmp_path / ".slipway"
    folder.mkdir()
    folder.chmod(before)
    let_in(folder, os.getgid())
    assert folder.stat().st_mode & 0o777 == after


def test_a_restart_takes_that_back_from_nobody(tmp_path: Path) -> None:
    folder = tmp_path / ".slipway"
    folder.mkdir(mode=0o700)
    let_in(folder, os.getgid())
    assert make_private(folder) == ""
    assert folder.stat().st_mode & 0o777 == 0o710
