"""Who a builder host is."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4


@dataclass(frozen=True)
class BuilderIdentity:
    """`name` is stable over restarts; the incarnation tells one start from the next."""

    name: str
    slots: int
    instance: str
    build_timeout: timedelta
    incarnation: UUID = field(default_factory=uuid4)
