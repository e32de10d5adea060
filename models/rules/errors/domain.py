"""The one family of errors: what the service knows how to say. Anything else is a defect and stays loud."""

from datetime import timedelta
from typing import ClassVar

_LONGEST_DETAIL = 2000


class DomainError(Exception):
    code: ClassVar[str]  # snake_case; part of the API and of Temporal's failure type, never renamed
    status: ClassVar[int]  # what an HTTP caller sees
    retryable: ClassVar[bool] = False  # True: the same call may succeed later by itself

    def __init__(self, detail: str, *, retry_after: timedelta | None = None) -> None:
        """`detail` is one sentence that says what to do next, without a secret; `retry_after` is known to few."""
        super().__init__(detail[:_LONGEST_DETAIL])
        self.detail = detail[:_LONGEST_DETAIL]
        self.retry_after = retry_after
