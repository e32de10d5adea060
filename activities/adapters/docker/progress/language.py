"""Why a Dockerfile is refused before any step: the Dockerfile is wrong, or newer than the engine's language."""

import re

from activities.adapters.docker.progress.base_image import listed, stage_names
from activities.adapters.docker.progress.engine_words import without_user
from activities.adapters.docker.progress.facts import EngineFacts
from activities.context.dockerfile import Dockerfile, Instruction
from activities.ports.engine import EngineBuildRequest

# What the Dockerfile language has in its newest version, by Docker's reference: a flag that is refused and stands here
# is known elsewhere.
_FLAGS = {
    "ADD": {"chmod", "chown", "checksum", "exclude", "keep-git-dir", "link", "unpack"},
    "COPY": {"chmod", "chown", "exclude", "from", "link", "parents"},
    "FROM": {"platform"},
    "HEALTHCHECK": {"start-interval"},
    "RUN": {"device", "mount", "network", "security"},
}
_MOUNT_KEYS = {"env", "required", "sharing", "size", "mode", "uid", "gid", "readwrite", "rw", "tmpfs"}

_LAST_SEEN_TO_IGNORE = 20
_GIT = re.compile(r"(?:git@[\w.-]+:|git://|ssh://)\S+|https?://\S+\.git(?:#\S*)?")

_LINE = re.compile(r"dockerfile parse error on line (\d+): ")
_UNKNOWN_FLAG = re.compile(r"unknown flag: (?:--)?([a-z][a-z-]*)", re.IGNORECASE)
_UNKNOWN_KEY = re.compile(r"unexpected key '([a-z]+)' in '[^']*'")
_NO_TARGET = re.compile(r"target stage (?P<quote>\"?)(?P<stage>.+)(?P=quote) could not be found")
_NO_INDEX = re.compile(r"invalid stage index (\d+)")
_GOOD_MODE = re.compile(r"0?[0-7]{1,4}|[ugoa]*[-+=][rwxXstugo]*(?:,[ugoa]*[-+=][rwxXstugo]*)*")


def explained(reason: str, dockerfile: Dockerfile, request: EngineBuildRequest, facts: EngineFacts) -> str:
    if no_target := _NO_TARGET.search(reason):
        stage = no_target["stage"]
        return f"the Dockerfile has no stage named {stage} ({listed(stage_names(dockerfile))}); give another target"
    if no_index := _NO_INDEX.search(reason):
        return _no_index(no_index[1], dockerfile)
    if newer := _newer(reason, dockerfile):
        engine = _language(dockerfile, request, facts)
        return f"{engine} does not know {newer}; build with a newer one, or write it without"
    if reason == "invalid syntax" and (wrong := _wrong_mode(dockerfile)):  # all that newer engines say of it
        return f"{request.dockerfile} cannot be built: {wrong}"
    return f"{request.dockerfile} cannot be built: {reason}"


def _no_index(index: str, dockerfile: Dockerfile) -> str:
    using = next((each for each in dockerfile.instructions if index in each.froms), None)
    where = "" if using is None else f" (line {using.first}: {using.word})"
    count = sum(each.stage is not None for each in dockerfile.instructions)
    numbers = "the only stage is 0" if count == 1 else f"its stages are numbered 0 to {count - 1}"
    return f"the Dockerfile has no stage {index}{where}: {numbers} ({listed(stage_names(dockerfile))})"


def _newer(reason: str, dockerfile: Dockerfile) -> str | None:
    """Name what the Dockerfile language has by now, and this engine's has not."""
    found = _LINE.match(reason)
    line = int(found[1]) if found else 0
    if around := dockerfile.heredoc_around(line):
        begun, word = around
        return f"heredocs: it takes line {line} of the `<<{word}` that line {begun.last} begins for an instruction"
    instruction = dockerfile.at(line)
    if instruction is None:
        return None
    if flag := _UNKNOWN_FLAG.search(reason):
        name = flag[1].lower()
        is_known = name in _FLAGS.get(instruction.word, ())
        return f"`{instruction.word} --{name}` (line {instruction.first})" if is_known else None
    if (key := _UNKNOWN_KEY.search(reason)) and key[1] in _MOUNT_KEYS:
        return f"`{key[1]}` in `{instruction.word} --mount` (line {instruction.first})"
    return None


def _language(dockerfile: Dockerfile, request: EngineBuildRequest, facts: EngineFacts) -> str:
    frontend = request.build_args.get("BUILDKIT_SYNTAX") or dockerfile.directives.get("syntax")
    if frontend:
        return f"the Dockerfile language of {frontend}"
    return named(facts)


def _wrong_mode(dockerfile: Dockerfile) -> str | None:
    for each in dockerfile.instructions:
        mode = each.flag("chmod")
        if mode is not None and "$" not in mode and not _GOOD_MODE.fullmatch(mode):
            return f"{mode} is no mode for `{each.word} --chmod` (line {each.first}); write one such as 755"
    return None


def named(facts: EngineFacts) -> str:
    version = facts.version()
    return f"this engine ({f'Docker {version}' if version else 'of an unknown version'})"


def ignores_what_is_newer(facts: EngineFacts) -> bool:
    """Whether what `ignored` names is passed over without a word: as 20.10 was seen to do, and 28 was not."""
    major = re.match(r"\d+", facts.version() or "")
    return major is not None and int(major[0]) <= _LAST_SEEN_TO_IGNORE


def ignored(dockerfile: Dockerfile) -> list[str]:
    """Name what an older engine passes over without a word, and what comes of it."""
    if "syntax" in dockerfile.directives:  # that language is not the engine's
        return []
    found = []
    for each in dockerfile.instructions:
        mode = each.flag("chmod")
        if mode is not None and "$" not in mode and not re.fullmatch(r"[0-7]+", mode):
            what = f"`{each.word} --chmod={mode}` (line {each.first})"
            found.append(f"{what} and left the files' modes as they were; write the mode in digits, such as 755")
        if each.word == "ADD" and (git := git_source(each)):
            what = f"`ADD` of a git repository (line {each.first})"
            found.append(f"{what} and took what {without_user(git)} answers for a file; clone it in a `RUN`")
    return found


def git_source(step: Instruction) -> str | None:
    return next((source for source in step.sources if _GIT.fullmatch(source)), None)
