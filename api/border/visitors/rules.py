"""What is answered to whom that shows no credential, which is everybody as yet: no website may read or drive us."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.border.problems import error_response
from models.rules.errors.request import CrossOriginWrite, HostUnknown
from process.visitors import READS, complaint_about_write, is_known_host

_LONGEST_SHOWN = 100


class HostRule:
    """Refuses a request that was sent to a name which is not ours: to a visitor's browser a page's name may lead here.

    Probes of load balancers and supervisors come by any name; what they are told holds nothing.
    """

    def __init__(self, app: ASGIApp, named: Collection[str]) -> None:
        self._app = app
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not (scope["method"] in READS and is_probe(scope["path"])):
            host = Headers(scope=scope).get("host", "")
            if not is_known_host(host, scope["scheme"], self._named):
                await error_response(scope, HostUnknown(_sentence(host)))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class WriteRule:
    """Refuses a write that a website of another origin may have sent through a visitor's browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READS:
            complaint = complaint_about_write(scope["scheme"], Headers(scope=scope))
            if complaint is not None:
                await error_response(scope, CrossOriginWrite(complaint))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_probe(path: str) -> bool:
    return path in {"/health", "/ready"} or path.startswith("/health/")


def _sentence(host: str) -> str:
    shown = f"as '{host[:_LONGEST_SHOWN]}'" if host else "without a Host"
    return (
        f"Slipway does not answer {shown} without a credential; ask at http://127.0.0.1 or http://localhost where it"
        " runs, or name that host in SLIPWAY_ALLOWED_HOSTS."
    )
