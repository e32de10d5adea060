"""How every answer spells a moment."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

# pydantic writes UTC as `Z`
Moment = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
