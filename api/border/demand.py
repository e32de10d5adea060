"""What a value must be, in words of ours, where pydantic's own would not tell a caller what to send."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

UNMET_DEMAND = "unmet_demand"
_PLAIN_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,99}")


def unmet(demand: str) -> PydanticCustomError:
    """Return what a validator raises; `demand` goes on after the value's name: "must be …"."""
    return PydanticCustomError(UNMET_DEMAND, "{demand}", {"demand": demand})


def is_plain_number(spelled: str) -> bool:
    """Say whether this is an integer's one spelling, however large: Python also takes 1_0, +1, 01, 1.0 and " 1"."""
    return _PLAIN_NUMBER.fullmatch(spelled) is not None


@dataclass(frozen=True)
class AtMost:
    """Annotates a list or an object with the number of its items, counted before each of them is looked at.

    Else one body of 16 MiB could be wrong in millions of places, and each would get a sentence.
    """

    number: int
    of_what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_before_validator_function(self._counted, handler(source))

    def _counted(self, value: object) -> object:
        if isinstance(value, list | dict) and len(value) > self.number:
            raise unmet(f"may hold {self.number} {self.of_what} at most")
        return value


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
            if isinstance(value, str) and not is_plain_number(value):
                value = None  # which is no integer either
            return check(value)
        except ValidationError as error:
            bounds = f", {self.lowest} or more" if self.highest is None else f" from {self.lowest} to {self.highest}"
            raise unmet(f"must be an integer{bounds}") from error
