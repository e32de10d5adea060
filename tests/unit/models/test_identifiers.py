import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.rules.fairness import fairness_key
from models.rules.identifiers import LONGEST_BUILD_NAME, image_build_name, new_id
from models.rules.run_contract import image_workflow_id

NAME = re.compile(r"[A-Za-z0-9._:-]{1,255}")
TEXTS = st.text(max_size=400)


def test_newer_builds_have_greater_ids() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {build_id.version for build_id in ids} == {7}


def test_a_build_is_named_after_its_image() -> None:
    build_id = UUID("0190a5de-0000-7000-8000-00001234abcd")
    name = image_build_name(build_id, image="demo/hello", tag="v1.0.0", third_party_id=None, parser_id=None)
    assert name == "build-demo-hello-v1.0.0-1234abcd"


def test_a_build_of_a_third_party_is_named_after_their_ids() -> None:
    build_id = UUID("0190a5de-0000-7000-8000-00001234abcd")
    name = image_build_name(build_id, image="demo/hello", tag="v1", third_party_id="acme", parser_id="p 7")
    assert name == "build-acme-p-7-1234abcd"


@given(TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS)
def test_every_build_has_a_plain_name_that_ends_in_its_own_digits(
    image: str, tag: str, third_party_id: str | None, parser_id: str | None
) -> None:
    build_id = new_id()
    name = image_build_name(build_id, image=image, tag=tag, third_party_id=third_party_id, parser_id=parser_id)
    assert NAME.fullmatch(name)
    assert len(name) <= LONGEST_BUILD_NAME
    assert name.endswith("-" + build_id.hex[-8:])
    assert not re.fullmatch(r"[0-9a-fA-F-]{32,36}", name)


def test_people_find_a_build_in_temporal_by_image_tag_and_generation() -> None:
    assert image_workflow_id("demo/hello", "v1.0.0", 3) == "image-build/demo/hello:v1.0.0/3"


def test_builds_are_shared_fairly_by_third_party_then_project_then_repository() -> None:
    project = new_id()
    assert fairness_key("acme", project, "demo/hello") == "acme"
    assert fairness_key(None, project, "demo/hello") == str(project)
    assert fairness_key(None, None, "demo/hello") == "demo/hello"


@given(TEXTS)
def test_a_fairness_key_is_never_longer_than_temporal_takes(third_party_id: str) -> None:
    assert len(fairness_key(third_party_id, None, "x" * 200).encode()) <= 64
