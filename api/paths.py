"""Where things are found: what more than one room of the API has to spell."""

IMAGES = "/api/v1/images"


def image_path(image_id: int) -> str:
    return f"{IMAGES}/{image_id}"
