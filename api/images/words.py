"""The words of an order as the description shows them: patterns and lengths of the very checks that an order makes.

The checks themselves are the order's, which says in a sentence what is wrong; a pattern would only be quoted.
"""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from api.border.demand import AtMost
from models.rules.image_order import (
    BUILD_ARG_NAME,
    COMMIT,
    LONGEST_BUILD_ARG,
    LONGEST_PATH,
    LONGEST_WORD,
    MOST_BUILD_ARGS,
    MOST_SECRETS,
    REPO,
    SECRET,
    TARGET,
)
from models.rules.image_reference import LONGEST_NAME, LONGEST_TAG, NAME, TAG

_PATH = {"type": "string", "minLength": 1, "maxLength": LONGEST_PATH}
_BUILD_ARGS = {
    "type": "object",
    "maxProperties": MOST_BUILD_ARGS,
    "propertyNames": {"pattern": f"^{BUILD_ARG_NAME.pattern}$"},
    "additionalProperties": {"type": "string", "maxLength": LONGEST_BUILD_ARG, "pattern": r"^[^\x00]*$"},
}

RepoWord = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{REPO.pattern}$"})]
TagWord = Annotated[
    str, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_TAG, "pattern": f"^{TAG.pattern}$"})
]
CommitWord = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{COMMIT.pattern}$"})]
NameWord = Annotated[
    str, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": f"^{NAME}$"})
]
FilePath = Annotated[str, WithJsonSchema(_PATH | {"pattern": r"^[^/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*$"})]
TargetWord = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{TARGET.pattern}$"})]
BuildArgs = Annotated[dict[str, str], AtMost(MOST_BUILD_ARGS, "names"), WithJsonSchema(_BUILD_ARGS)]
SecretNames = Annotated[
    list[str],
    AtMost(MOST_SECRETS, "names"),
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": MOST_SECRETS,
            "uniqueItems": True,
            "items": {"type": "string", "pattern": f"^{SECRET.pattern}$"},
        }
    ),
]
Word = Annotated[
    str,
    Field(max_length=LONGEST_WORD),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_WORD, "pattern": r"^[^\x00-\x1f\x7f]*$"}),
]
