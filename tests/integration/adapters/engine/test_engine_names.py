"""A name that an order takes is one that every engine takes: else it would fail after the whole build."""

import pytest

from models.rules.image_reference import LONGEST_NAME, LONGEST_TAG, normalise_name
from tests.support.engine.engines_under_test import EngineUnderTest

BASE = "busybox:1.36"
TAKEN = [
    *(
        "border-names",
        "border/names",
        "border.names_a__b-c--d",
        "localhost/border-names",
        "127.0.0.1:5000/border-names",
    ),
    *("border.example.com:65535/a/b", "Border.Example.COM/names", "docker.io/border/names", "index.docker.io/border-x"),
    *("border:1/names", "xn--brder-jua.example/names", "1.2.3.4/border", "border/" + "x" * (LONGEST_NAME - 17)),
    *("border.example.com/" + "x" * (LONGEST_NAME - 19), "x" * (LONGEST_NAME - 18)),
]
TAG = "T" * LONGEST_TAG


@pytest.mark.parametrize("name", TAKEN)
async def test_what_an_order_takes_the_engine_takes(engine_host: EngineUnderTest, name: str) -> None:
    engine, reference = engine_host.adapter(), f"{normalise_name(name)}:{TAG}"
    base = await engine.image(BASE)
    assert base is not None
    await engine.tag(base.id, reference)
    try:
        found = await engine.image(reference)
        assert found is not None
        assert found.id == base.id
    finally:
        await engine.untag(reference)
