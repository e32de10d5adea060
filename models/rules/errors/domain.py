"""The one family of errors: what the service knows how to say. Anything else is a defect and stays loud."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

_LONGEST_DETAIL = 64 * 1024  # what is stored or shown is cut much shorter, after redaction


@dataclass(frozen=True)
class InTheWay:
    """What a request met, for programs: whoever is refused need not read the sentence to find it."""

    image_id: int | None  # None when the build has none, or none any more
    build_id: UUID
    build_status: str  # as images show it: pending, building, success or failed
    product_id: int | None = None
    product_slug: str | None = None


class DomainError(Exception):
    code: ClassVar[str]  # snake_case; part of the API and of Temporal's failure type, never renamed
    status: ClassVar[int]  # what an HTTP caller sees
    retryable: ClassVar[bool] = False  # True: the same call may succeed later by itself
    is_outage: ClassVar[bool] = False  # True: something cannot be reached or used now; builds wait for it

    def __init__(
        self, detail: str, *, retry_after: timedelta | None = None, in_the_way: InTheWay | None = None
    ) -> None:
        """`detail` is one sentence that says what to do next, without a secret; the rest is known to few."""
        super().__init__(detail[:_LONGEST_DETAIL])
        self.detail = detail[:_LONGEST_DETAIL]
        self.retry_after = retry_after
        self.in_the_way = in_the_way
