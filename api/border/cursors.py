"""Places in a list, as opaque words."""

import base64
import binascii
import json
from datetime import UTC, datetime

from models.repositories.image.reading import PageKey
from models.rules.errors.request import RequestInvalid

_LONGEST = 200
_LARGEST_ID = 2**31 - 1


def cursor_of(place: PageKey) -> str:
    words = json.dumps([place.created_at.isoformat(), place.image_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def place_of(cursor: str) -> PageKey:
    """Return what `cursor_of` was given. Raises RequestInvalid."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("too long")
        words = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        moment, image_id = json.loads(words)
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or type(image_id) is not int or not 0 <= image_id <= _LARGEST_ID:
            raise ValueError("of another kind")
        created_at = created_at.astimezone(UTC)  # OverflowError beyond the calendar's ends, as the driver would raise
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise RequestInvalid("cursor is not one that a list gave; begin again without it.", field="cursor") from error
    return PageKey(created_at, image_id)
