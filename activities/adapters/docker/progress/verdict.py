"""What a build's failure means for the person who wrote the Dockerfile: the engine's words, put as one sentence."""

import re

from activities.adapters.docker.progress.step_log import StepFailure, StepLog
from activities.ports.engine import EngineBuildRequest
from models.rules.errors.domain import DomainError
from models.rules.errors.engine import DockerBuildFailed, EngineRefused, EngineUnreachable
from models.rules.errors.source import DockerfileInvalid

# The engine wraps its reason in where it came across it.
_WRAPPING = re.compile(
    r"failed to solve(?: with frontend \S+)?: |failed to create LLB definition: |failed to compute cache key: "
    r"|failed to load cache key: |failed to read dockerfile: |rpc error: code = \w+ desc = "
)
_PARSE_ERROR = re.compile(
    r"dockerfile parse error (?:on )?line "
)  # with "on" since some version: equal faults read equal
_NO_STAGE = re.compile(r"target stage (?P<quote>\"?)(?P<stage>.+)(?P=quote) could not be found")
_NO_FILE = re.compile(r'"(?P<path>/[^"]*)"[^"]* not found|lstat (?P<lstat>\S+): no such file')
_BASE_IMAGE = re.compile(r"(?:\[internal\] load metadata for|resolve image config for|(?:\[[^\]]*\] )?FROM) (\S+)")
_DEFAULT_REGISTRY = re.compile(r"(?:docker-image://)?(?:docker\.io/(?:library/)?)?")
_PROGRAM = re.compile(r"executor failed running \[.*\]: |process \".*\" did not complete successfully: ", re.DOTALL)
_LONGEST_REASON = 600


def build_failure(message: str, log: StepLog, request: EngineBuildRequest) -> DomainError:
    """Translate the engine's final error. Secrets do not get through."""
    failure = log.failure(message)
    reason = _bounded(_PROGRAM.sub("", _WRAPPING.sub("", log.redacted(message))))
    if message.endswith("context canceled"):
        return EngineUnreachable("The Docker engine ended the build though nobody asked it to; was it stopped?")
    if "no space left on device" in message and (failure is None or failure.exit_code is None):
        return EngineRefused(f"The Docker engine has no disk space left: {reason}.")
    if "failed to read dockerfile" in message and "no such file" in message:
        return DockerfileInvalid(f"There is no {request.dockerfile} in the build's context; check the path.")
    if failure is not None:
        return _failed_at(failure, reason, request)
    return DockerBuildFailed(f"Docker build failed: {_without_steps(reason, request)}")


def _failed_at(failure: StepFailure, reason: str, request: EngineBuildRequest) -> DockerBuildFailed:
    at = "" if failure.step is None else f" at {failure.step}"
    if failure.exit_code is not None:
        detail = f"exit code {failure.exit_code}{at}"
    elif base := _BASE_IMAGE.match(failure.vertex):
        detail = _missing_image(_DEFAULT_REGISTRY.sub("", base[1], count=1), reason, failure.vertex)
    elif missing := _NO_FILE.search(reason):
        path = missing["path"] or missing["lstat"]
        source = "what the step copies from" if "--from=" in failure.vertex else _context_words(request)
        detail = f"{path} is not in {source}, or .dockerignore leaves it out,{at}"
    elif "no active sessions" in reason:
        detail = f"build secrets and SSH agents cannot be mounted here,{at}"
    else:
        detail = f"{reason}{at}"
    return DockerBuildFailed(f"Docker build failed: {detail}", failing_step=failure.step, exit_code=failure.exit_code)


def _context_words(request: EngineBuildRequest) -> str:
    if request.context_name == ".":
        return "the build's context, the top of the repository"
    return f"the build's context, the folder {request.context_name!r} (order another `context` to copy from elsewhere)"


def _missing_image(image: str, reason: str, vertex: str) -> str:
    if vertex.startswith("resolve image config"):
        what = f"the Dockerfile's `# syntax=` line asks for {image}, which"
        remedy = "drop the line or bring that image"
    else:
        what = f"the base image {image}"
        remedy = "correct its name or bring it"
    return f"{what} is not on the engine and could not be pulled ({reason}); {remedy} to the engine"


def _without_steps(reason: str, request: EngineBuildRequest) -> str:
    """Explain what stopped the build before it had steps: the Dockerfile itself."""
    if no_stage := _NO_STAGE.search(reason):
        return f"the Dockerfile has no stage named {no_stage['stage']}; give another target"
    return f"{request.dockerfile} cannot be built: {_PARSE_ERROR.sub('dockerfile parse error on line ', reason)}"


def _bounded(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + " …"
