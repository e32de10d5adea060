"""What a request's head must be, beyond what the server's parser sees to."""

from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.border.problems import PROBLEM_JSON, problem_body

_LARGEST_HEAD = 32 * 1024
_ABSOLUTE = (b"http://", b"https://")
_HOST = b"host"


class Framing:
    """Refuses heads that are too large or that mean two things, and reads the whole address where one was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope) -> Response | None:
    names = {name for name, _value in scope["headers"]}
    if not scope["http_version"].startswith("1."):
        status, code = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http_version_not_supported"
        detail = "This server speaks HTTP/1.1; ask by that."
    elif {b"content-length", b"transfer-encoding"} <= names:
        # two programs in a row could see two different requests in it (RFC 9112 §6.3: smuggling)
        status, code = HTTPStatus.BAD_REQUEST, "request_malformed"
        detail = "The request tells its length twice: by Content-Length and by Transfer-Encoding; send one of them."
    elif _head_bytes(scope) > _LARGEST_HEAD:
        status, code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large"
        detail = f"The request's address and headers are larger than {_LARGEST_HEAD // 1024} KiB together."
    elif scope.get("raw_path", b"").lower().startswith(_ABSOLUTE) and not _read_address(scope):
        status, code, detail = HTTPStatus.BAD_REQUEST, "request_malformed", "The request's address is none."
    else:
        return None
    return Response(problem_body(scope, status, code, detail), status, {"Connection": "close"}, PROBLEM_JSON)


def _head_bytes(scope: Scope) -> int:
    address = len(scope.get("raw_path", b"")) + len(scope["query_string"])
    return address + sum(len(name) + len(value) for name, value in scope["headers"])


def _read_address(scope: Scope) -> bool:
    """Take path and host from a whole address, which counts before the Host header: RFC 9112 §3.2.2.

    False when it is none.
    """
    try:
        address = urlsplit(scope["raw_path"].decode("ascii"))
    except ValueError:
        return False
    path = address.path or "/"
    scope["raw_path"], scope["path"] = path.encode("ascii"), unquote(path)
    others = [(name, value) for name, value in scope["headers"] if name != _HOST]
    scope["headers"] = [(_HOST, address.netloc.encode("ascii")), *others]
    return True
