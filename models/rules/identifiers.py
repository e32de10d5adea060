"""Ids and the human names of builds."""

import re
from uuid import UUID

import uuid_utils.compat

LONGEST_BUILD_NAME = 255
_HASH_DIGITS = 8
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:-]")


def new_id() -> UUID:
    """Return a UUIDv7: ordered by time, so that new rows lie together in every index."""
    return uuid_utils.compat.uuid7()


def image_build_name(build_id: UUID, *, image: str, tag: str, third_party_id: str | None, parser_id: str | None) -> str:
    """Return the unique name of an image build: contract.md §3."""
    parts = [third_party_id, parser_id] if third_party_id else [image, tag]
    readable = _NOT_IN_NAMES.sub("-", "-".join(part for part in parts if part))
    ending = f"-{build_id.hex[-_HASH_DIGITS:]}"
    return f"build-{readable}"[: LONGEST_BUILD_NAME - len(ending)] + ending
