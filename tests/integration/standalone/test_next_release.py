"""What comes out of Debian's next release: brought once, whole or not at all, and refused in words."""

import asyncio
import os
from pathlib import Path

import pytest

from standalone.engine.next_release import unpacked
from standalone.errors import CannotStart

SMALL = ("busybox-static",)


async def test_packages_are_unpacked_once_however_many_ask(tmp_path: Path) -> None:
    folder, half = tmp_path / "programs", tmp_path / "programs.half"
    for left in (folder, half):  # by a start that wanted other packages, and by a kill
        left.mkdir()
        (left / "left").touch()
    (folder / "packages").write_text("something-else")
    asked = [asyncio.to_thread(unpacked, SMALL, folder, os.environ) for _ in range(3)]
    assert await asyncio.gather(*asked) == [folder] * 3
    (program,) = folder.rglob("bin/busybox")
    first = program.stat()
    unpacked(SMALL, folder, os.environ)
    assert program.stat() == first
    assert not half.exists()
    assert not [*folder.rglob("left"), *folder.rglob("*.deb")]


def test_a_package_that_the_release_lacks_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no-such-package-of-slipway cannot be fetched"):
        unpacked(("no-such-package-of-slipway",), tmp_path / "programs", os.environ)
    assert not (tmp_path / "programs").exists()


def test_a_system_without_apt_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="needs Debian's apt-get"):
        unpacked(SMALL, tmp_path / "programs", {"PATH": str(tmp_path)})
