"""What requests about images name in their paths and queries."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from api.border.demand import IntegerFrom
from api.images.words import NameWord, RepoWord, TagWord
from models.rules.build_lifecycle import ImageStatus
from models.rules.image_filter import ImageFilter

LONGEST_WAIT_SECONDS = 300


Wait = Annotated[
    int,
    IntegerFrom(0),
    AfterValidator(lambda seconds: min(seconds, LONGEST_WAIT_SECONDS)),
    Query(
        description="seconds to wait for the build to settle; then 200 with the final row, else the row as it is by"
        f" then. More than {LONGEST_WAIT_SECONDS} is cut to {LONGEST_WAIT_SECONDS}"
    ),
]
DEFAULT_PAGE = 100
Cursor = Annotated[
    str,
    WithJsonSchema({"type": "string", "maxLength": 200, "pattern": "^[A-Za-z0-9_-]*$"}),
    Query(description="the place in the list that Link named"),
]
Limit = Annotated[int, IntegerFrom(1, 1000), Query()]
LogLines = Annotated[int, IntegerFrom(1, 10_000)]
MAY_BE_EMPTY: dict[str, Any] = {"x-may-be-empty": True}  # for the description, which has a word of its own for it
_EMPTY_IS_ABSENT = BeforeValidator(lambda value: value or None)  # existing clients send empty ones
StatusFilter = Annotated[
    ImageStatus | None, _EMPTY_IS_ABSENT, Query(description="failed includes cancelled", json_schema_extra=MAY_BE_EMPTY)
]
NameFilter = Annotated[
    NameWord | None,
    _EMPTY_IS_ABSENT,
    Query(
        description="images of this name, however it is spelled: `docker.io/library/busybox` finds `busybox`",
        json_schema_extra=MAY_BE_EMPTY,
    ),
]
RepoFilter = Annotated[
    RepoWord | None,
    _EMPTY_IS_ABSENT,
    Query(description="images of this `owner/name`, in capitals or not", json_schema_extra=MAY_BE_EMPTY),
]
TagFilter = Annotated[
    TagWord | None, _EMPTY_IS_ABSENT, Query(description="images with exactly this tag", json_schema_extra=MAY_BE_EMPTY)
]


@dataclass(frozen=True)
class ListedImages:
    """The filters of a list, checked, and as they were given."""

    filter: ImageFilter
    given: dict[str, str]


def listed_images(
    status_filter: StatusFilter = None, name: NameFilter = None, repo: RepoFilter = None, tag: TagFilter = None
) -> ListedImages:
    """Return what the list is to hold. Raises RequestInvalid."""
    given = {"status_filter": status_filter, "name": name, "repo": repo, "tag": tag}
    wanted = ImageFilter(status_filter, name, repo, tag)
    return ListedImages(wanted, {word: str(value) for word, value in given.items() if value is not None})
