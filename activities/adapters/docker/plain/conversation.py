"""A build over the plain Engine API: the context is sent as a tar, the answer is the engine's account of the build."""

import json
from urllib.parse import urlencode

from activities.adapters.docker.plain.connection import AnsweredEarly, BuildExchange, ask
from activities.adapters.docker.progress.facts import dockerfile_of
from activities.context.copy_sources import may_take
from activities.context.places import BuildContext, locate_context
from activities.context.tar import name_in_tar, write_context
from activities.ports.engine import EngineBuildRequest

_EXTRA_DOCKERFILE = (
    "The Dockerfile is in the build's context as {!r} though it does not belong there, so a step that copies its folder"
    " copies it, and runs anew when it changes: over the plain Engine API there is no other way. {}"
)


class PlainConversation:
    """Implements Conversation. `remedy` is a sentence that says how the build would get a session."""

    def __init__(self, engine_url: str, api_version: str, request: EngineBuildRequest, remedy: str) -> None:
        self._engine_url = engine_url
        self._request = request
        self._remedy = remedy
        self._prefix = f"/v{api_version}/build"
        self._exchange = BuildExchange(engine_url, f"{self._prefix}?{_build_query(request)}")
        self._notices: tuple[str, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        return self._notices

    def begin(self) -> bytes:
        self._exchange.open()
        try:
            context = _context_of(self._request)
            is_extra = write_context(context, self._exchange.send).is_dockerfile_extra
            if is_extra and may_take(dockerfile_of(self._request), name_in_tar(context)):
                self._notices = (_EXTRA_DOCKERFILE.format(name_in_tar(context), self._remedy),)
            self._exchange.end_request()
        except AnsweredEarly:
            pass  # the answer tells why
        return self._exchange.answer()

    def read_into(self, buffer: memoryview) -> int:
        return self._exchange.read_into(buffer)

    def ask_to_end(self) -> None:
        """By the build's id, which the engine knows only once it has taken up the request."""
        ask(self._engine_url, "POST", f"{self._prefix}/cancel?{urlencode({'id': self._request.engine_build_id})}")

    def hang_up(self) -> None:
        self._exchange.shutdown()

    def close(self) -> None:
        self._exchange.close()


def _build_query(request: EngineBuildRequest) -> str:
    query = {
        "version": "2",
        "buildid": request.engine_build_id,
        "t": request.tag,
        "dockerfile": _name_for_engine(request),
        "labels": json.dumps(dict(request.labels)),
        "buildargs": json.dumps(dict(request.build_args)),
    }
    return urlencode(query | ({"target": request.target} if request.target else {}), errors="surrogateescape")


def _name_for_engine(request: EngineBuildRequest) -> str:
    """Return where the engine finds the Dockerfile in what it is sent."""
    return request.dockerfile if request.dockerfile_file is None else name_in_tar(_context_of(request))


def _context_of(request: EngineBuildRequest) -> BuildContext:
    if request.dockerfile_file is None:
        return locate_context(request.context_dir, request.dockerfile, ".")
    return BuildContext(request.context_dir, request.context_name, request.dockerfile_file, request.ignore_file)
