"""What somebody asks for when he asks for an image: checked values, whoever asks."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from models.rules.errors.request import RequestInvalid
from models.rules.image_reference import check_tag, normalise_name

# GitHub: owners are letters, digits and hyphens, those that a company manages also have an underscore before the
# company's short code; repositories have dots as well
REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}", re.ASCII)
COMMIT = re.compile(r"[0-9a-fA-F]{7,40}", re.ASCII)
BUILD_ARG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
MOST_SECRETS = 20
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")  # JSON can spell them, UTF-8 cannot
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FIRST_PRIORITY, _LAST_PRIORITY = 1, 5
LONGEST_WORD = 255
LONGEST_PATH = 500
MOST_BUILD_ARGS = 100
LONGEST_BUILD_ARG = 4096
_LONGEST_BUILD_ARGS = 64 * 1024


@dataclass(frozen=True)
class ImageOrder:
    """Raises RequestInvalid, in one sentence about the first wrong value, when built with what cannot be built."""

    repo: str
    tag: str
    commit_sha: str
    image_name: str
    dockerfile_path: str = "Dockerfile"
    context: str | None = None  # a folder of the repository; None: the Dockerfile's own
    build_args: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    secrets: tuple[str, ...] = ()
    force_rebuild: bool = False
    priority: int = 3
    third_party_id: str | None = None
    parser_id: str | None = None
    project: str | None = None  # its UUID, slug or name: resolved in the transaction that stores the order

    def __post_init__(self) -> None:
        check_repo(self.repo)
        check_tag(self.tag)
        if not COMMIT.fullmatch(self.commit_sha):
            raise RequestInvalid(
                "commit_sha must be 7 to 40 hexadecimal digits: the commit that the tag names.", field="commit_sha"
            )
        normalise_name(self.image_name)
        check_dockerfile_path(self.dockerfile_path)
        if self.context is not None:
            check_context_path(self.context)
        _check_build_args(self.build_args)
        if self.target is not None and not TARGET.fullmatch(self.target):
            raise RequestInvalid(
                "target must be the name of a build stage: letters, digits, '.', '_' and '-', 128 at most, beginning"
                " with a letter or a digit.",
                field="target",
            )
        if not _FIRST_PRIORITY <= self.priority <= _LAST_PRIORITY:
            raise RequestInvalid("priority must be 1 (first) to 5 (last).", field="priority")
        words = (("third_party_id", self.third_party_id), ("parser_id", self.parser_id), ("project_id", self.project))
        for name, word in words:
            _check_whole_characters(name, word or "")
            if word is not None and (len(word) > LONGEST_WORD or _CONTROL.search(word)):
                raise RequestInvalid(
                    f"{name} may have {LONGEST_WORD} characters at most, and no control characters.", field=name
                )
        _check_secrets(self.secrets)

    @property
    def name_key(self) -> str:
        """The image's name in normal form: what is unique together with the tag."""
        return normalise_name(self.image_name)


def check_repo(repo: str) -> str:
    """Return `repo`; raise RequestInvalid when it is not `owner/name` as GitHub spells it."""
    if not REPO.fullmatch(repo) or repo.split("/")[1] in {".", ".."}:
        raise RequestInvalid(
            "repo must be 'owner/name' as GitHub spells it: an owner of up to 39 letters, digits, '-' and '_', and a"
            " name of up to 100 of these and '.'.",
            field="repo",
        )
    return repo


def check_dockerfile_path(path: str) -> str:
    """Return `path`; raise RequestInvalid when it is not a plain relative path that stays in the tree."""
    _check_path_characters("dockerfile_path", path)
    parts = PurePosixPath(path).parts
    is_plain = parts and not path.startswith("/") and not path.endswith("/") and ".." not in parts
    if not is_plain:
        raise RequestInvalid(
            "dockerfile_path must be a path inside the repository, such as 'Dockerfile' or 'service/Dockerfile'.",
            field="dockerfile_path",
        )
    return path


def check_context_path(path: str) -> str:
    """Return `path`; raise RequestInvalid when it is not a plain relative path that stays in the tree."""
    _check_path_characters("context", path)
    is_plain = path and not path.startswith("/") and ".." not in PurePosixPath(path).parts
    if not is_plain:
        raise RequestInvalid(
            "context must be a folder of the repository, such as 'service', or '.' for its root.", field="context"
        )
    return path


def _check_path_characters(field: str, path: str) -> None:
    _check_whole_characters(field, path)
    if len(path) > LONGEST_PATH:
        raise RequestInvalid(f"{field} may have {LONGEST_PATH} characters at most.", field=field)
    if "\\" in path or _CONTROL.search(path):
        raise RequestInvalid(
            f"{field} may hold no backslash and no control character; write '/' between folders.", field=field
        )


def _check_whole_characters(field: str, text: str) -> None:
    """Raise RequestInvalid when neither the database nor an answer could hold this text, which is not Unicode's."""
    if _LONE_SURROGATE.search(text):
        raise RequestInvalid(f"{field} must be a string without lone surrogates.", field=field)


def _check_secrets(names: tuple[str, ...]) -> None:
    """Only names: whether there is such a secret is known to the host that builds."""
    if len(names) > MOST_SECRETS:
        raise RequestInvalid(f"secrets may hold {MOST_SECRETS} names at most.", field="secrets")
    for name in names:
        if not SECRET.fullmatch(name):
            raise RequestInvalid(
                f"secrets: '{_shown(name)}' is no name of a secret: letters, digits, '.', '_' and '-', 100 at most,"
                " beginning with a letter or a digit.",
                field="secrets",
            )
    if len(set(names)) < len(names):
        raise RequestInvalid("secrets may name each secret once.", field="secrets")


def _check_build_args(build_args: dict[str, str]) -> None:
    if len(build_args) > MOST_BUILD_ARGS:
        raise RequestInvalid(f"build_args may hold {MOST_BUILD_ARGS} names at most.", field="build_args")
    for name, value in build_args.items():
        if not BUILD_ARG_NAME.fullmatch(name):
            raise RequestInvalid(
                f"build_args: '{_shown(name)}' is no name of an argument: letters, digits and '_', 100 at most, not"
                " beginning with a digit.",
                field="build_args",
            )
        if len(value) > LONGEST_BUILD_ARG:
            raise RequestInvalid(
                f"build_args: the value of '{name}' has more than {LONGEST_BUILD_ARG} characters.", field="build_args"
            )
        if "\x00" in value or _LONE_SURROGATE.search(value):
            raise RequestInvalid(
                f"build_args: the value of '{name}' holds a NUL or half a character, which no argument can.",
                field="build_args",
            )
    if sum(len(name) + len(value) for name, value in build_args.items()) > _LONGEST_BUILD_ARGS:
        raise RequestInvalid(
            f"build_args may hold {_LONGEST_BUILD_ARGS} characters at most, names and values together.",
            field="build_args",
        )


def _shown(text: str) -> str:
    return _LONE_SURROGATE.sub("?", _CONTROL.sub("?", text[:50]))
