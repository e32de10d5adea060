"""What a value must be, in words of ours, where pydantic's own would not tell a caller what to send."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

UNMET_DEMAND = "unmet_demand"


def unmet(demand: str) -> PydanticCustomError:
    """Return what a validator raises; `demand` goes on after the value's name: "must be …"."""
    return PydanticCustomError(UNMET_DEMAND, "{demand}", {"demand": demand})


@dataclass(frozen=True)
class IntegerFrom:
    """Annotates an int with its bounds, both included; whatever else is sent, the answer names them."""

    lowest: int
    highest: int | None = None

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        bounded = core_schema.int_schema(ge=self.lowest, le=self.highest)
        return core_schema.no_info_wrap_validator_function(self._checked, bounded)

    def _checked(self, value: object, check: core_schema.ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401
        try:
            return check(value)
        except ValidationError as error:
            bounds = f", {self.lowest} or more" if self.highest is None else f" from {self.lowest} to {self.highest}"
            raise unmet(f"must be an integer{bounds}") from error
