"""What a build's failure means for the person who wrote the Dockerfile: the engine's words, put as one sentence.

Every way of building hands its log and the engine's final error here. No sentence holds a path of the engine's host,
a secret, or anything that would make two equal failures differ.
"""

import json
import re
from dataclasses import replace

from activities.adapters.docker.progress import base_image, language
from activities.adapters.docker.progress.engine_words import plain, without_user
from activities.adapters.docker.progress.facts import DOCKER_ROOT, EngineFacts, dockerfile_of
from activities.adapters.docker.progress.step_log import StepFailure, StepLog
from activities.context.copy_sources import is_held, misleading_link, why_missing_below
from activities.context.dockerfile import Dockerfile, Instruction
from activities.context.places import IGNORE_FILE
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import DockerBuildFailed, EngineRefused, EngineUnreachable
from models.rules.errors.source import DockerfileInvalid

_NO_FILE = re.compile(r'"(?P<path>/[^"]*)"[^"]* not found|lstat (?P<lstat>/.*?): (?:no such file|not a dir)')
_EXIT_CODE = re.compile(r"\bexit code: (\d+)\Z")
_NO_SECRET = re.compile(r"secret (?P<name>\S+?)(?: not found)?: not found\Z")
_STEP_COMMAND = re.compile(r"\[[^\]]*\] (?P<command>.*)", re.DOTALL)
_ADDRESS = re.compile(r"(?:https?|git|ssh)://\S+|git@\S+")
_LONGEST_MESSAGE = 16_000
_LONGEST_REASON = 600


def build_failure(message: str, log: StepLog, request: EngineBuildRequest, facts: EngineFacts) -> DomainError:
    """Translate the engine's final error. Blocks while the engine is asked. Secrets do not get through."""
    failure = log.failure(message)
    reason = _bounded(plain(log.redacted(message)[:_LONGEST_MESSAGE], facts.root() or DOCKER_ROOT))
    if message.endswith("context canceled"):
        return EngineUnreachable("The Docker engine ended the build though nobody asked it to; was it stopped?")
    if "no space left on device" in message and (failure is None or failure.exit_code is None):
        return EngineRefused(f"The Docker engine has no disk space left: {reason}.")
    if "failed to read dockerfile" in message and "no such file" in message:
        return DockerfileInvalid(f"There is no {request.dockerfile} in the build's context; check the path.")
    dockerfile = dockerfile_of(request)
    if failure is None and (ended := _EXIT_CODE.search(reason)):
        return DockerBuildFailed(
            f"Docker build failed: exit code {ended[1]} at a step of which the engine lost the log",
            exit_code=int(ended[1]),
        )
    if failure is None:
        detail = language.explained(reason, dockerfile, request, facts)
        return DockerBuildFailed(f"Docker build failed: {log.redacted(detail)}")
    detail = _explained(failure, reason, dockerfile, request, facts)
    return DockerBuildFailed(
        f"Docker build failed: {log.redacted(detail)}", failing_step=failure.step, exit_code=failure.exit_code
    )


def engine_went_away() -> EngineUnreachable:
    return EngineUnreachable("The Docker engine went away in the middle of the build.")


def given_up(patience_seconds: float) -> EngineRefused:
    return EngineRefused(
        f"The engine lost this build's log and named no image in the {patience_seconds / 60:.0f} minutes that followed,"
        " so the build was ended; let the failing or busy step write less, or set BUILDKIT_STEP_LOG_MAX_SPEED=1048576"
        " on the engine."
    )


def success_notices(request: EngineBuildRequest, facts: EngineFacts) -> tuple[str, ...]:
    """Say what the engine built otherwise than the Dockerfile has it, without a word. Blocks while it is asked."""
    ignored = language.ignored(dockerfile_of(request))
    if not ignored or not language.ignores_what_is_newer(facts):
        return ()
    engine = language.named(facts)
    return tuple(f"{engine[0].upper()}{engine[1:]} does not know {each}." for each in ignored)


def _explained(
    failure: StepFailure, reason: str, dockerfile: Dockerfile, request: EngineBuildRequest, facts: EngineFacts
) -> str:
    at = "" if failure.step is None else f" at {failure.step}"
    if failure.exit_code is not None:
        return f"exit code {failure.exit_code}{at}"
    if missing := base_image.explained(failure.vertex, reason, dockerfile, request, facts):
        return missing
    if nothing := _nothing_to_take(failure, reason, dockerfile, request):
        return f"{nothing},{at}"
    if unmounted := _unmounted(reason):
        return f"{unmounted},{at}"
    if at:
        return f"{reason}{at}"
    return _named(without_user(failure.vertex), reason, dockerfile)


def _nothing_to_take(
    failure: StepFailure, reason: str, dockerfile: Dockerfile, request: EngineBuildRequest
) -> str | None:
    if link := _misleading_link(failure, request):
        return link
    no_file = _NO_FILE.search(reason)
    step = _step(failure)
    if no_file and step is not None and step.word == "ADD" and (git := language.git_source(step)):
        return f"an engine that knows `ADD` of a git repository is needed for {without_user(git)}"
    return _missing_file(no_file["path"] or no_file["lstat"], failure, dockerfile, request) if no_file else None


def _unmounted(reason: str) -> str | None:
    """Say what a step asks its session for in vain."""
    if "no active sessions" in reason:
        return "build secrets and SSH agents cannot be mounted here: the builder lacks Docker's plugin buildx"
    secret = _NO_SECRET.search(reason)
    return secret and f"the build was given no secret {secret['name']}; name it in the order's `secrets`"


def _missing_file(path: str, failure: StepFailure, dockerfile: Dockerfile, request: EngineBuildRequest) -> str:
    """Name the whole path that the step asks for: the engine may stop at the first folder of it that is missing."""
    step = _step(failure)
    asked = (f"/{source.removeprefix('./').lstrip('/')}" for source in _sources(step, dockerfile))
    path = next((each for each in asked if f"{each}/".startswith(f"{path.rstrip('/')}/")), path)
    if step is not None and step.froms:
        return f"{path} is not in {step.froms[0]}, from which the step takes it"
    path, words = f"/{path.lstrip('/')}", _context_words(request)
    if is_held(request.context_dir, path):
        rules = request.ignore_file.name if request.ignore_file is not None else IGNORE_FILE
        return f"{path} is not in {words}: {rules} leaves it out"
    why = why_missing_below(request.context_dir, request.context_name, path)
    return f"{path} is not in {words}{f' ({why})' if why else ''}"


def _misleading_link(failure: StepFailure, request: EngineBuildRequest) -> str | None:
    step = _step(failure)
    if step is None or step.froms:
        return None
    words = _context_words(request)
    found = (misleading_link(request.context_dir, each, words) for each in step.sources)
    return next((sentence for sentence in found if sentence is not None), None)


def _step(failure: StepFailure) -> Instruction | None:
    command = _STEP_COMMAND.fullmatch(failure.vertex)
    step = next(iter(Dockerfile(command["command"].replace("\n", " ")).instructions), None) if command else None
    if step is not None and step.word != "RUN" and step.rest.startswith("["):
        # the engine shows a list without its quotation marks
        return replace(step, rest=json.dumps(step.rest.strip("[]").split(", ")))
    return step


def _sources(step: Instruction | None, dockerfile: Dockerfile) -> list[str]:
    """Return what the step takes, as the engine shows it, then as the Dockerfile's like instructions have it."""
    same = [each for each in dockerfile.instructions if step is not None and each.word == step.word]
    return [source for each in ((step, *same) if step is not None else ()) for source in each.sources]


def _context_words(request: EngineBuildRequest) -> str:
    if request.context_name == ".":
        return "the build's context, the top of the repository"
    return f"the build's context, the folder {request.context_name!r} (order another `context` to copy from elsewhere)"


def _named(vertex: str, reason: str, dockerfile: Dockerfile) -> str:
    """Name what failed that is no numbered step: an address, or something of the engine's own."""
    if _ADDRESS.match(vertex) is None:
        return f"{vertex}: {reason}"
    using = next((each for each in dockerfile.instructions if vertex in map(without_user, each.sources)), None)
    where = "" if using is None else f" (line {using.first}: {using.word})"
    status = re.search(r"invalid response status (\d+)", reason)
    if status:
        return f"{vertex} answered {status[1]}{where}"
    return f"{reason}{where}" if vertex in reason else f"{vertex}: {reason}{where}"


def _bounded(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " …"
