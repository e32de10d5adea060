"""Why an image that a build needs is not to be had: base images, those that files are copied from, frontends."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from activities.adapters.docker.progress.facts import EngineFacts
from activities.context.dockerfile import Dockerfile, Instruction
from activities.ports.engine import EngineBuildRequest

_METADATA = re.compile(r"\[internal\] load metadata for (?P<image>\S+)")
_PULL = re.compile(r"(?:\[[^\]]*\] )?FROM (?P<image>\S+)")
_FRONTEND = re.compile(r"resolve image config for (?P<image>\S+)")
_PREFIX = re.compile(r"(?:docker-image://)?(?:docker\.io/(?:library/)?)?")
_HINT = re.compile(r" \(did you mean [^)]*\)\Z")  # newer engines', without saying what for
_MOST_LOOKED_AT = 20  # stages, and instructions that name one: more make no sentence clearer
_SYNTAX_ARGUMENT = "BUILDKIT_SYNTAX"


def image_of(vertex: str) -> str | None:
    """Return the image that a vertex of this name fetches, as people write it; None when it fetches none."""
    found = _METADATA.match(vertex) or _FRONTEND.match(vertex) or _PULL.match(vertex)
    return _short(found["image"]) if found else None


def explained(
    vertex: str, reason: str, dockerfile: Dockerfile, request: EngineBuildRequest, facts: EngineFacts
) -> str | None:
    """Say why the image of this vertex is missing; None when the vertex fetches none."""
    image = image_of(vertex)
    if image is None:
        return None
    reason = _HINT.sub("", reason)
    if _FRONTEND.match(vertex):
        return _frontend(image, reason, request)
    uses = [each for each in dockerfile.instructions if image in map(_tagged, _named_by(each))]
    if mistaken := _mistaken_stage(image, uses, dockerfile):
        return f"{mistaken}, and the image {_not_to_be_had(image, reason)}"
    asking = next((use for use in uses if use.flag("platform")), None)
    platform = facts.platform_of(image)
    if platform is not None and (asking is not None or platform != facts.platform()):
        return _other_platform(image, platform, reason, asking)
    return f"the base image {_not_to_be_had(image, reason)}; correct its name or bring it to the engine"


def _not_to_be_had(image: str, reason: str) -> str:
    return f"{image} is not on the engine and could not be pulled ({reason})"


def _frontend(image: str, reason: str, request: EngineBuildRequest) -> str:
    if _SYNTAX_ARGUMENT in request.build_args:
        what, remedy = f"the build argument {_SYNTAX_ARGUMENT} asks for", "leave the argument out"
    else:
        what, remedy = "the Dockerfile's `# syntax=` line asks for", "drop the line"
    missing = _not_to_be_had(f"{image}, which", reason)
    return f"{what} {missing}; {remedy} or bring that image to the engine"


def _mistaken_stage(image: str, uses: Sequence[Instruction], dockerfile: Dockerfile) -> str | None:
    """Say that a name which may be meant for a stage's is none."""
    for use in uses[:_MOST_LOOKED_AT]:
        above = stage_names(dockerfile, above=use)
        for name in _named_by(use):
            if _tagged(name) != image or set(name) & set("/:@$"):
                continue
            where = f"line {use.first}: {_as_written(use, name)}"
            if name.lower() in stage_names(dockerfile):
                return f"the stage {name} is defined only below what needs it ({where})"
            if use.word != "FROM" or get_close_matches(name.lower(), above[:_MOST_LOOKED_AT]):
                return f"the Dockerfile has no stage named {name} ({where}; {listed(above)})"
    return None


def stage_names(dockerfile: Dockerfile, above: Instruction | None = None) -> list[str]:
    """Return what its stages are called, in small letters, as BuildKit compares them; only those `above`, if given."""
    return [
        each.stage[1].lower()
        for each in dockerfile.instructions
        if each.stage is not None and each.stage[1] is not None and (above is None or each.first < above.first)
    ]


def listed(stages: Sequence[str]) -> str:
    if not stages:
        return "no stage has a name"
    more = len(stages) - _MOST_LOOKED_AT
    return f"its stages: {', '.join(stages[:_MOST_LOOKED_AT])}{f' and {more} more' if more > 0 else ''}"


def _other_platform(image: str, platform: str, reason: str, asking: Instruction | None) -> str:
    if asking is None:
        wanted, remedy = "the engine's own is another one", "bring it for that platform"
    else:
        wanted = f"line {asking.first} asks for {asking.flag('platform')}"
        remedy = "leave `--platform` out, or bring it for that platform"
    return (
        f"the base image {image} is on the engine for {platform} only, and {wanted}, for which it could not be pulled"
        f" ({reason}); {remedy}"
    )


def _named_by(instruction: Instruction) -> tuple[str, ...]:
    return instruction.froms if instruction.stage is None else (instruction.stage[0],)


def _as_written(use: Instruction, name: str) -> str:
    if use.word == "FROM":
        return f"FROM {name}"
    return f"{use.word} --from={name}" if use.flag("from") == name else f"{use.word} --mount=…,from={name}"


def _short(image: str) -> str:
    return _PREFIX.sub("", image, count=1)


def _tagged(name: str) -> str:
    """Return an image's name as the engine writes it."""
    short = _short(name)
    return short if "@" in short or ":" in short.rpartition("/")[2] else f"{short}:latest"
