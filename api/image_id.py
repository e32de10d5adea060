"""How a path names an image."""

from typing import Annotated

from fastapi import Depends, Path
from pydantic import BeforeValidator, WithJsonSchema

from api.border.demand import is_plain_number, unmet
from models.rules.errors.request import ImageNotFound

LARGEST_ID = 2**31 - 1


def _plain_digits(spelled: str) -> str:
    if not is_plain_number(spelled):
        raise unmet("must be a number in plain digits, such as 7")
    return spelled


def image_id_in_path(
    image_id: Annotated[
        int,
        BeforeValidator(_plain_digits),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_ID}),
        Path(description="of the image, in plain digits"),
    ],
) -> int:
    """Return the id. Raises ImageNotFound for numbers that no id can be."""
    if not 1 <= image_id <= LARGEST_ID:
        raise ImageNotFound(f"There is no image {str(image_id)[:20]}.")
    return image_id


ImageId = Annotated[int, Depends(image_id_in_path)]
