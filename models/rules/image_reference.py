"""Docker's grammar of image names and tags, and names in one normal form."""

import re

from models.rules.errors.request import RequestInvalid

LONGEST_NAME = 255  # with its host, as Docker 20.10 counts it; 28 counts the path alone
LONGEST_TAG = 100
RESERVED_PREFIX = "slipway/"  # the names of attempts: slipway/<build id>:<token>

# distribution/reference, grammar of "name"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*(?::[0-9]+)?"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_DOMAIN_ONLY = re.compile(_DOMAIN, re.ASCII)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_IPV6_HOST = re.compile(r"\[[a-fA-F0-9:]+\](?::[0-9]+)?")
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LARGEST_PORT = 65535
NAME = rf"(?:{_DOMAIN}/)?{_PATH.pattern}"  # what every name matches; `normalise_name` demands more
_IMAGE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DEFAULT_DOMAIN = "docker.io"
_DEFAULT_NAMESPACE = "library/"


def check_tag(tag: str) -> str:
    """Return `tag`; raise RequestInvalid when it is not of Docker's grammar or longer than 100."""
    if len(tag) > LONGEST_TAG or not TAG.fullmatch(tag):
        raise RequestInvalid(
            f"tag must be 1 to {LONGEST_TAG} letters, digits, '_', '.' or '-', and not begin with '.' or '-'.",
            field="tag",
        )
    return tag


def normalise_name(name: str) -> str:
    """Return the short normal form (`docker.io/library/busybox` is `busybox`).

    Raises RequestInvalid for what is not a plain image name: another grammar, a tag or digest in it, a reserved name.
    """
    domain, path = _split_domain(name)
    short = _short_form(domain, path)
    length = len(domain) + 1 + len(path)
    complaint = _too_long(length) if length > LONGEST_NAME else _complaint(domain, path, short)
    if complaint is not None:
        raise RequestInvalid(f"image_name {complaint}", field="image_name")
    return short


def _too_long(length: int) -> str:
    return (
        f"may have {LONGEST_NAME} characters at most, where one without a registry counts as"
        f" '{_DEFAULT_DOMAIN}/{_DEFAULT_NAMESPACE}…'; this one has {length}."
    )


def _complaint(domain: str, path: str, short: str) -> str | None:
    """Say what is wrong with a name of bearable length, as it goes on after "image_name"; None when nothing is."""
    port = domain.partition(":")[2]
    complaints = {
        # Docker 28 takes it; 20.10 fails when the image is tagged
        "names its registry by an IPv6 address, which older Docker engines refuse; use a host name.": (
            _IPV6_HOST.fullmatch(domain)
        ),
        "must be an image name as Docker knows it, without tag or digest: lower-case letters and digits, parts joined"
        " by '.', '_', '-' or '/', such as 'team/app' or 'registry.example.com/team/app'.": (
            not (_DOMAIN_ONLY.fullmatch(domain) and _PATH.fullmatch(path))
        ),
        # the short form must not mean something else
        f"would read like an image at another registry, '{short}', once it is shortened; begin it with another word.": (
            _split_domain(short) != (domain, path)
        ),
        "reads like an image's id, which is what Docker would take it for; add a word to it.": (
            _IMAGE_ID.fullmatch(short)
        ),
        f"names a port of its registry that is none: 1 to {_LARGEST_PORT}, in plain digits.": (
            port and not (_PORT.fullmatch(port) and int(port) <= _LARGEST_PORT)
        ),
        f"must not begin with '{RESERVED_PREFIX}': those names are Slipway's own.": short.startswith(RESERVED_PREFIX),
    }
    return next((words for words, is_so in complaints.items() if is_so), None)


def attempt_reference(build_id: object, token: int) -> str:
    """Return the name:tag under which one attempt's image is kept until it is registered."""
    return f"{RESERVED_PREFIX}{build_id}:{token}"


def _split_domain(name: str) -> tuple[str, str]:
    """Return host and path, both of them whole: `busybox` lies at docker.io as `library/busybox`."""
    # distribution/reference, splitDockerDomain: the first part is a host only when it looks like one. There capital
    # letters also make it one; here they do not, since a host in small letters would then be somebody's path.
    first, slash, rest = name.partition("/")
    host = first.lower()
    domain, path = _DEFAULT_DOMAIN, name
    if slash and ("." in host or ":" in host or host == "localhost"):
        domain, path = (_DEFAULT_DOMAIN if host == "index.docker.io" else host), rest
    if domain == _DEFAULT_DOMAIN and "/" not in path:
        path = _DEFAULT_NAMESPACE + path
    return domain, path


def _short_form(domain: str, path: str) -> str:
    if domain != _DEFAULT_DOMAIN:
        return f"{domain}/{path}"
    return path.removeprefix(_DEFAULT_NAMESPACE) if path.count("/") == 1 else path
