"""In which order people look for a repository's tags."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.images.tag_order import in_order

ORDERED = {
    "a build number behind a version is a pre-release of it": ["v2.0.0", "v1.4.2", "v1.4.2-14", "v1.4.2-2", "v1.4.1"],
    "a hyphen within a pre-release": ["v10.0.0", "v10.0.0-rc-2", "v10.0.0-rc-1", "v9.0.0"],
    "numbered pre-releases": ["1.0.0", "1.0.0-canary.10", "1.0.0-canary.9", "1.0.0-canary", "0.9.0"],
    "snapshots": ["1.1.0", "1.1.0-SNAPSHOT", "1.0.0", "1.0.0-SNAPSHOT"],
    "the example of SemVer itself": [
        *("1.0.0", "1.0.0-rc.1", "1.0.0-beta.11", "1.0.0-beta.2", "1.0.0-beta", "1.0.0-alpha.beta"),
        *("1.0.0-alpha.1", "1.0.0-alpha"),
    ],
    "build metadata does not count": ["1.0.1", "1.0.0+9", "1.0.0+build.10", "0.9.9+z"],
    "one and two numbers": ["v2", "v1.10", "v1.9.3", "v1.9", "v1"],
    "equal versions come by name": ["1.0.0", "v1", "v1.0", "v1.0.0", "0.9.0"],
    "whatever stands before a version": [
        *("openssl-3.0.1", "log4j-2.17.1", "@scope/pkg@2.0.0", "release/v1.9.0", "my.app_v1.8.0", "k8s-1.7.0", "V1.6.0")
    ],
    "a number by itself counts something": ["v1.0.0", "123", "122", "release-10", "release-9"],
    "dates come after versions": ["v0.0.1", "2024.2.0", "v2024.1.9", "20240108", "2024-01-07", "nightly-2023-12-31"],
    "a date with the time": ["20240116", "20240115103000", "20240115", "2024"],
    "versions that begin with a year": ["2024.2.0", "2024.2.0b5", "2024.2.0b4", "2024.1.3", "2024.1"],
    "months are no versions": ["24.10", "24.04", "23.10"],
    "all else comes last": ["v0.0.1", "2001-01-01", "REL_16_1", "REL_9_6", "go1.21", "go1.21rc2", "go1.9"],
    "four numbers": ["1.2.3", "1.2.3.10", "1.2.3.9"],
    "no numbers": ["1.0.0", "1.1.0rc2", "1.1.0rc1", "alpha", "latest", "stable", "v1.x"],
    "numbers that nobody could write": ["v" + "9" * 255, "v1.0.0", "9" * 5001, "9" * 5000, "1.0.0-" + "9" * 5000],
}


@pytest.mark.parametrize("names", ORDERED.values(), ids=ORDERED)
def test_tags_come_in_the_order_in_which_people_look_for_them(names: list[str]) -> None:
    for seed in range(5):
        assert in_order(random.Random(seed).sample(names, len(names))) == names


# what names of tags are made of
_PART = st.sampled_from(["v", "1", "0", "10", "2024", "01", ".", "-", "_", "/", "@", "+", "rc", "SNAPSHOT", "é", "٣"])


@given(st.lists(st.lists(_PART, max_size=12).map("".join), unique=True))
def test_every_tag_has_one_place_whatever_its_name_and_whoever_comes_first(names: list[str]) -> None:
    ordered = in_order(names)
    assert sorted(ordered) == sorted(names)
    assert in_order(names[::-1]) == ordered


@pytest.mark.parametrize("name", ["a" * 100_000, "a-" * 50_000, "a.b-" * 25_000, "1." * 50_000, "0" * 100_000], ids=len)
def test_a_name_without_an_end_takes_no_time_without_an_end(name: str) -> None:
    assert in_order([name, "v1.0.0"]) == ["v1.0.0", name]
