"""The engine's words made plain: nothing of its host's paths, and nothing that differs between two equal failures."""

import re

# What the engine mounts or keeps under a name of chance, wherever its root lies: `<root>/tmp/buildkit-mount123/app`
# is `/app` to whoever wrote the Dockerfile.
_MOUNTED = re.compile(
    r"""
    (?<![\w/.-]) (?:/[^\s/:'"`=,()\[\]]+)*? /
    (?: buildkit-mount\d+
      | (?:overlay2|fuse-overlayfs|aufs/(?:mnt|diff)|btrfs/subvolumes|vfs/dir|zfs/graph)/[\w.-]+
        (?: /(?:merged|diff|work)\b )?
      | (?:rootfs/[a-z0-9-]+|snapshots)/[0-9a-f]+ (?: /(?:fs|work)\b )?
      | executor/(?!runc)[\w.-]+/rootfs
      | cachemounts/buildkit\d+
    )
    """,
    re.VERBOSE,
)
# what else lies in the engine's own folders
_REST_OF_PATH = r"\b[^\s:'\"`,)]*"
_OWN = re.compile(r"/(?:var/lib|run|var/run)/(?:docker|containerd|buildkit)" + _REST_OF_PATH)
_BY_CHANCE = (
    (re.compile(r"failed to calculate checksum of ref \S+: "), ""),
    (re.compile(r"failed to (?:walk|stat) (\S+): (?=l?stat \1: )"), ""),
    # the port that a question left by
    (re.compile(r"\b(read|write) (udp|tcp) \S+?:\d+->"), r"\1 \2 "),
    (re.compile(r" after \d+(?:\.\d+)? ?m?s\b"), ""),
    (re.compile(r"current time \S+ is "), "the current time is "),
    (re.compile(r"\b(request|trace|ray)[ _-]?id:? ?[\w-]{8,}", re.IGNORECASE), r"\1 id …"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "…"),
    (re.compile(r"\b(?=[a-z0-9]*\d)(?=[a-z0-9]*[g-z])[a-z0-9]{25}\b"), "…"),  # what BuildKit calls its own things
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "…"),
)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")

_WRAPPING = re.compile(
    r"failed to solve(?: with frontend \S+)?: |failed to create LLB definition: |failed to compute cache key: "
    r"|failed to load cache key: |failed to read dockerfile: |rpc error: code = \w+ desc = "
    r"|executor failed running \[.*\]: |process \".*\" did not complete successfully: "
    r"|failed with build-arg:BUILDKIT_SYNTAX = \S+: |(?<!\S)(?:\S+: )?failed to resolve source metadata for \S+: ",
    re.DOTALL,
)
_PARSE_ERROR = re.compile(r"dockerfile parse error (?:on )?line ")  # with "on" since some version


def plain(message: str, root: str) -> str:
    """Return what the engine said, in one line; `root` is the folder that is its own. Redact before, bound after."""
    text = _WRAPPING.sub("", message)
    text = _PARSE_ERROR.sub("dockerfile parse error on line ", text)
    text = _MOUNTED.sub(lambda place: "" if text[place.end() :].startswith("/") else "/", text)
    text = re.sub(re.escape(root) + _REST_OF_PATH, "the engine's own files", text)
    text = _OWN.sub("the engine's own files", text)
    for by_chance, instead in _BY_CHANCE:
        text = by_chance.sub(instead, text)
    return " ".join(without_user(text).split())


def without_user(text: str) -> str:
    """Take names and passwords out of URLs."""
    return _USER_IN_URL.sub("***@", text)
