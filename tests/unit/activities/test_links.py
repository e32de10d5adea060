from pathlib import Path

import pytest

from activities.source.links import follow, way

LINKS = {
    "to-file": "real/file",
    "a/up": "../real",
    "chain": "to-file",
    "circle": "circle",
    "out": "../x",
    "absolute": "/real/file",
    "tidy": ".//real/./file",
    "through": "a/up/file",
    "far": "a/../../real",
}


@pytest.mark.parametrize(
    ("path", "end", "led_out", "met"),
    [
        ("real/file", "real/file", None, ()),
        ("./real//file", "real/file", None, ()),
        ("to-file", "real/file", None, ("to-file",)),
        ("chain", "real/file", None, ("chain", "to-file")),
        ("a/up/file", "real/file", None, ("a/up",)),
        ("through", "real/file", None, ("through", "a/up")),
        ("tidy", "real/file", None, ("tidy",)),
        ("out", "x", "out", ("out",)),
        ("absolute", "real/file", "absolute", ("absolute",)),
        ("far", "real", "far", ("far",)),
        ("../x", "x", "../x", ()),
        ("missing/x", "missing/x", None, ()),
    ],
)
def test_a_way_is_walked_as_if_the_folder_were_the_root_of_all(
    path: str, end: str, led_out: str | None, met: tuple[str, ...]
) -> None:
    found = way(path, LINKS.get)
    assert (found.end, found.led_out, found.links) == (end, led_out, met)


def test_a_circle_has_no_end() -> None:
    assert way("circle/x", LINKS.get).end is None


def test_links_that_pile_up_more_than_a_path_can_be_are_given_up_early() -> None:
    piled = {f"l{number}": f"l{number + 1}/" + "/".join("p" * 2000) for number in range(250)}
    looked_at: list[str] = []

    def target_of(path: str) -> str | None:
        looked_at.append(path)
        return piled.get(path)

    assert way("l0", target_of).end is None
    assert len(looked_at) < 3000


def test_on_disk_nothing_outside_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").touch()
    root = tmp_path / "root"
    (root / "outside").mkdir(parents=True)
    (root / "up").symlink_to("../outside/x")
    (root / "absolute").symlink_to(tmp_path / "outside" / "x")
    for link in ("up", "absolute"):
        found = follow(root, link)
        assert (found.place, found.led_out) == (None, link)
    (root / "outside" / "x").touch()
    assert follow(root, "up").place == root / "outside" / "x"
