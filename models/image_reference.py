"""Docker's grammar of image names and tags, and names in one normal form."""

import re

from models.errors import RequestInvalid

LONGEST_NAME = 255  # distribution/reference: NameTotalLengthMax
LONGEST_TAG = 100
RESERVED_PREFIX = "slipway/"  # the names of attempts: slipway/<build id>:<token>

# distribution/reference, grammar of "name"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_DOMAIN_ONLY = re.compile(_DOMAIN, re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_IMAGE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DEFAULT_DOMAIN = "docker.io"
_DEFAULT_NAMESPACE = "library/"


def check_tag(tag: str) -> str:
    """Return `tag`; raise RequestInvalid when it is not of Docker's grammar or longer than 100."""
    if len(tag) > LONGEST_TAG or not _TAG.fullmatch(tag):
        raise RequestInvalid(
            f"tag must be 1 to {LONGEST_TAG} letters, digits, '_', '.' or '-', and not begin with '.' or '-'."
        )
    return tag


def normalise_name(name: str) -> str:
    """Return the short normal form (`docker.io/library/busybox` is `busybox`).

    Raises RequestInvalid for what is not a plain image name: another grammar, a tag or digest in it, a reserved name.
    """
    domain, path = _split_domain(name)
    is_valid = _DOMAIN_ONLY.fullmatch(domain) and _PATH.fullmatch(path) and len(name) <= LONGEST_NAME
    if not is_valid or _IMAGE_ID.fullmatch(name):
        raise RequestInvalid(
            "image_name must be an image name as Docker knows it, without tag or digest: lower-case letters and digits,"
            " parts joined by '.', '_', '-' or '/', such as 'team/app' or 'registry.example.com/team/app'."
        )
    if domain == _DEFAULT_DOMAIN:
        short = path.removeprefix(_DEFAULT_NAMESPACE) if path.count("/") == 1 else path
    else:
        short = f"{domain.lower()}/{path}"
    if short.startswith(RESERVED_PREFIX):
        raise RequestInvalid(f"image_name must not begin with '{RESERVED_PREFIX}': those names are Slipway's own.")
    return short


def attempt_reference(build_id: object, token: int) -> str:
    """Return the name:tag under which one attempt's image is kept until it is registered."""
    return f"{RESERVED_PREFIX}{build_id}:{token}"


def _split_domain(name: str) -> tuple[str, str]:
    # distribution/reference, splitDockerDomain: the first part is a host only when it looks like one
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        domain = _DEFAULT_DOMAIN if first == "index.docker.io" else first
        return domain, rest
    return _DEFAULT_DOMAIN, name
