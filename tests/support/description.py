"""The OpenAPI description as the application makes it, which asks nobody."""

from typing import Any

import jsonschema
from fastapi import FastAPI

from api.app import create_app
from api.parts import ApiWorld


def _described() -> dict[str, Any]:
    nothing: Any = None
    world = ApiWorld(
        requests=nothing,
        streams=nothing,
        deliveries=nothing,
        hints=nothing,
        runs=nothing,
        source_host=nothing,
        store=nothing,
        area=nothing,
    )
    app: FastAPI = create_app(world)
    return app.openapi()


DESCRIPTION = _described()


def is_valid(value: object, schema: dict[str, Any]) -> bool:
    """Say whether `value` is what this schema of the description says, formats included."""
    schema = schema | {"components": DESCRIPTION["components"]}  # where its references lead
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=formats).is_valid(value)
