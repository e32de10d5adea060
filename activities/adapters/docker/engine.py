"""The Docker engine: docker-py for what it can; builds by BuildKit, in one of two ways."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from docker.utils import parse_repository_tag
from requests.exceptions import RequestException

from activities.adapters.docker.asked_facts import AskedFacts
from activities.adapters.docker.buildx.account import ClientAccount
from activities.adapters.docker.buildx.conversation import BuildxConversation
from activities.adapters.docker.buildx.definition import BuildFiles
from activities.adapters.docker.buildx.mounts import Mounts
from activities.adapters.docker.buildx.plugin import BuildxPlugin
from activities.adapters.docker.buildx.unicode import is_unicode
from activities.adapters.docker.conversation import Account, Conversation
from activities.adapters.docker.plain.answer import EngineAnswer
from activities.adapters.docker.plain.connection import ask
from activities.adapters.docker.plain.conversation import PlainConversation
from activities.adapters.docker.progress.engine_words import plain
from activities.adapters.docker.progress.facts import DOCKER_ROOT
from activities.adapters.docker.running_build import RunningBuild
from activities.ports.engine import EngineBuild, EngineBuildRequest, EngineImage, EngineInfo, NamedImage
from models.rules.errors.engine import EngineRefused, EngineUnreachable, ImageGone, SecretUnavailable

_ANSWER_SECONDS = 10
_UNTAGGED = "<none>:<none>"
_UNAVAILABLE = 502

# why a build has no session, and what would give it one
_NO_PLUGIN = "it has no plugin buildx", "With the buildx plugin on the builder host it stays out."
_NO_UNICODE = (
    "a name, link or ignore rule in the context that is no Unicode keeps it from a session",
    "It would stay out if all names, links and ignore rules in the context were Unicode.",
)

Answer = TypeVar("Answer")


class DockerEngine:
    """Implements ContainerEngine. `redacted_values` never show in a log or an error.

    Builds are driven by the client `buildx` where there is one, which opens a session, else over the plain API;
    `client_environment` is what it is told besides, such as proxies.
    `stuck_patience` is how long a build may go on after the engine has lost its log, when neither its end nor its
    failure is announced any more; `silence_limit` how long a registry may say nothing while a build waits for an image.
    """

    def __init__(
        self,
        url: str,
        redacted_values: Iterable[str | bytes] = (),
        *,
        buildx: BuildxPlugin | None = None,
        mounts: Mounts | None = None,
        client_environment: Mapping[str, str] | None = None,
        stuck_patience: timedelta = timedelta(minutes=10),
        silence_limit: timedelta = timedelta(minutes=5),
    ) -> None:
        self._url = url
        self._redacted_values = tuple(redacted_values)
        self._buildx = buildx
        self._mounts = mounts or Mounts()
        self._client_environment = client_environment or {}
        self._clips_at: str | None = None
        self._stuck_patience = stuck_patience
        self._silence_limit = silence_limit
        self._client: APIClient | None = None
        self._connecting = threading.Lock()

    async def info(self) -> EngineInfo:
        """BuildKit ignores the limits of single builds, so they are never honoured here.

        Limits for all steps together can be set on the engine's own cgroup, from outside.
        """
        version = await self._ask(lambda client: client.version(api_version=False))
        return EngineInfo(
            version=version["Version"],
            api_version=version["ApiVersion"],
            honours_limits=False,
            builds_by=f"buildx {self._buildx.version}" if self._buildx is not None else "the plain API",
            clips_at=self._clips_at,
        )

    async def start_build(self, request: EngineBuildRequest, work_dir: Path) -> EngineBuild:
        api_version = await self._ask(lambda client: client.api_version)
        conversation, account = await asyncio.to_thread(self._talk, request, work_dir, api_version)
        build = RunningBuild(
            request=request,
            conversation=conversation,
            account=account,
            find_image=lambda: self._ask_now(lambda client: _image_id(client, request.tag)),
            facts=AskedFacts(self._ask_now),
            on_clip=self._note_clip,
            work_dir=work_dir,
            stuck_patience=self._stuck_patience,
            silence_limit=self._silence_limit,
        )
        build.start()
        return build

    def _note_clip(self, limit: str) -> None:
        self._clips_at = limit

    def _talk(self, request: EngineBuildRequest, work_dir: Path, api_version: str) -> tuple[Conversation, Account]:
        """Blocks. Raises SecretUnavailable."""
        if self._buildx is None or not is_unicode(request):
            why, remedy = _NO_PLUGIN if self._buildx is None else _NO_UNICODE
            _refuse_secrets(request, why)
            return PlainConversation(self._url, api_version, request, remedy), EngineAnswer(self._redacted_values)
        values = self._mounts.values(request.secrets)
        files = BuildFiles(request, work_dir / "client", self._mounts)
        account = ClientAccount(files.metadata, files.target, (*self._redacted_values, *values))
        return BuildxConversation(self._buildx.path, self._url, files, self._client_environment), account

    async def image(self, reference: str) -> EngineImage | None:
        found = await self._ask(lambda client: _inspected(client, reference))
        return None if found is None else _engine_image(found)

    async def tag(self, image_id: str, reference: str) -> None:
        repository, name = parse_repository_tag(reference)

        def tag(client: APIClient) -> None:
            try:
                client.tag(image_id, repository, name, force=True)
            except NotFound as error:
                raise ImageGone(f"The image {image_id} is no longer on the engine; build it again.") from error

        await self._ask(tag)

    async def untag(self, reference: str) -> None:
        def untag(client: APIClient) -> None:
            try:
                client.remove_image(reference, force=True, noprune=True)
            except NotFound:
                return  # a repeat

        await self._ask(untag)

    async def named(self, label: str, value: str) -> list[NamedImage]:
        images = await self._ask(lambda client: client.images(filters={"label": f"{label}={value}"}))
        return [
            NamedImage(reference, image["Id"], dict(image.get("Labels") or {}))
            for image in images
            for reference in image.get("RepoTags") or ()
            if reference != _UNTAGGED
        ]

    def close(self) -> None:
        """Give back the connections; running builds keep theirs. The next question connects again."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None

    async def _ask(self, question: Callable[[APIClient], Answer]) -> Answer:
        return await asyncio.to_thread(self._ask_now, question)

    def _ask_now(self, question: Callable[[APIClient], Answer]) -> Answer:
        """Ask docker-py and translate its errors. No repeats: the caller knows whether another try makes sense."""
        try:
            return question(self._connected())
        except APIError as error:
            said = f"The Docker engine answered {error.status_code}: {plain(str(error.explanation), DOCKER_ROOT)}"
            if (error.status_code or 0) >= _UNAVAILABLE:
                raise EngineUnreachable(said) from error
            raise EngineRefused(said) from error
        except (RequestException, DockerException) as error:
            raise EngineUnreachable(f"The Docker engine at {self._url} does not answer: {error}.") from error

    def _connected(self) -> APIClient:
        """Connect at first use, since docker-py asks the engine for its version then."""
        with self._connecting:
            if self._client is None:
                ask(self._url, "GET", "/_ping")  # docker-py leaves its socket open when nobody answers
                self._client = APIClient(self._url, version="auto", timeout=_ANSWER_SECONDS)
            return self._client


def _refuse_secrets(request: EngineBuildRequest, why: str) -> None:
    if request.secrets:
        raise SecretUnavailable(f"The builder cannot give this build its secrets over the plain API, and {why}.")


def _inspected(client: APIClient, reference: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # types-docker's gap
    except NotFound:
        return None
    return found


def _image_id(client: APIClient, reference: str) -> str | None:
    found = _inspected(client, reference)
    return None if found is None else str(found["Id"])


def _engine_image(found: dict[str, Any]) -> EngineImage:
    return EngineImage(
        id=found["Id"],
        size_bytes=found["Size"],
        platform=f"{found['Os']}/{found['Architecture']}",
        layers=len(found["RootFS"].get("Layers") or ()),
        labels=dict(found["Config"].get("Labels") or {}),
        tags=tuple(found.get("RepoTags") or ()),
    )
