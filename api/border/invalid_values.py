"""What is wrong with a value of a request, in one sentence that names it. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.border.demand import UNMET_DEMAND

_BODY = ("body",)
_LONGEST_NAME = 100
_LONGEST_PREDICATE = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_MUST_BE_OBJECT = "must be a JSON object"
# by pydantic's types of errors, which name each of its checks; braces are filled from the error's context
_PREDICATES = {
    "missing": "is missing, and must be sent",
    "string_type": "must be a string",
    "string_unicode": "must be a string without lone surrogates",
    "string_too_short": "must have {min_length} characters at least",
    "string_too_long": "must have {max_length} characters at most",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list",
    "dict_type": _MUST_BE_OBJECT,
    "model_attributes_type": _MUST_BE_OBJECT,
    "enum": "must be {expected}",
}


def sentence_about(error: Mapping[str, Any]) -> str:
    """Say it for one error of a RequestValidationError, without the value itself, which may be a secret."""
    if error["type"] == "json_invalid":
        return f"The body must be JSON; it is wrong at character {error['loc'][-1]}."
    return f"{_name(error['loc'])} {_predicate(error)}."


def _name(place: Sequence[str | int]) -> str:
    """Return the name as a caller spells it: `build_args.GREETING`, `secrets[0]`; its first part says where it is."""
    if tuple(place) == _BODY:
        return "The body"
    words = [f"[{word}]" if isinstance(word, int) else f".{word}" for word in place[1:]]
    return _UNPRINTABLE.sub("?", "".join(words).removeprefix("."))[:_LONGEST_NAME]


def _predicate(error: Mapping[str, Any]) -> str:
    known = _PREDICATES.get(error["type"])
    if known is not None:
        return known.format_map(error.get("ctx", {}))
    message = str(error["msg"])[:_LONGEST_PREDICATE].rstrip(".")
    return message if error["type"] == UNMET_DEMAND else f"is not valid: {message}"
