from pathlib import Path

import pytest

from process.private_folder import make_private


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def folder_of(path: Path, mode: int) -> Path:
    path.mkdir(parents=True)
    path.chmod(mode)
    return path


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    assert make_private(tmp_path / "data" / "of" / "slipway") == ""
    assert mode_of(tmp_path / "data" / "of" / "slipway") == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o770, 0o711, 0o777])
def test_our_own_folder_of_an_earlier_release_is_closed_with_all_that_lies_in_it(tmp_path: Path, mode: int) -> None:
    folder = folder_of(tmp_path / ".slipway", mode)
    (folder / "temporal.db").touch(mode=0o644)
    assert make_private(folder) == ""
    assert mode_of(folder) == 0o700


def test_an_empty_folder_of_any_name_is_closed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", 0o755)
    assert make_private(folder) == ""
    assert mode_of(folder) == 0o700


def test_a_folder_that_may_be_shared_with_others_programs_stays_and_what_to_do_is_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "srv", 0o755)
    (folder / "somebody-elses").touch()
    assert f"run `chmod 700 {folder}`" in make_private(folder)
    assert mode_of(folder) == 0o755


@pytest.mark.parametrize("mode", [0o700, 0o710])
def test_a_folder_that_nobody_can_look_around_in_stays_as_it_is(tmp_path: Path, mode: int) -> None:
    folder = folder_of(tmp_path / ".slipway", mode)
    assert make_private(folder) == ""
    assert mode_of(folder) == mode


def test_what_cannot_be_closed_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert "cannot be kept from other users" in make_private(tmp_path / "data")
