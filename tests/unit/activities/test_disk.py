"""A full disk is said as such: which folder, how much room there is, and what to do."""

import errno
from pathlib import Path

import pytest

from activities.disk import writing_below
from models.rules.errors.engine import HostDiskFailed

FULL = Path("/dev/full")  # takes nothing, as a disk without room


def test_a_full_disk_is_named_with_its_folder_its_room_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    with pytest.raises(HostDiskFailed) as told, writing_below(folder), FULL.open("wb") as file:
        file.write(b"x" * 100_000)
    said = told.value.detail
    assert said.startswith(f"The disk below {folder} has too little room (No space left on device): ")
    assert said.endswith(" are free now; make room on it.")
    assert told.value.is_outage, "it is waited for"


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_a_broken_disk_is_no_full_one(tmp_path: Path, number: int) -> None:
    with pytest.raises(HostDiskFailed, match="takes no files"), writing_below(tmp_path):
        raise OSError(number, "broken")


@pytest.mark.parametrize("other", [TimeoutError(), ConnectionResetError(), FileNotFoundError(errno.ENOENT, "gone")])
def test_what_is_no_fault_of_the_disk_stays_what_it_is(tmp_path: Path, other: OSError) -> None:
    with pytest.raises(type(other)), writing_below(tmp_path):
        raise other
