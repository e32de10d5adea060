"""One deed, one transaction, one answer: a repeat under the same Idempotency-Key gets the first answer again."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.border.bodies import JsonRequest, kind_refusal
from api.border.problems import PROBLEM_JSON, error_body, invalid_body_response, location_of
from api.border.visitors.caller import Caller, caller
from models.postgres.database import Database, Session
from models.repositories.idempotency import IdempotencyRepository, KeptAnswer, RequestKey
from models.rules.errors.domain import DomainError
from models.rules.errors.request import PreconditionFailed, RequestInvalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
JSON = "application/json"
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
# for the description: every POST takes it
HEADER_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "repeats with this key and the same body get the first answer, for 24 hours; another body is 422."
    " A refusal is kept likewise, but an answer of 5xx is not, nor a refusal that did not look at the body: then the"
    " key stays free",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{_KEY.pattern}$"},
}

Deed = Callable[[Session], Awaitable[KeptAnswer]]


class KeepsAnswers(Protocol):
    """The application, as far as this border needs it."""

    def usable_database(self) -> Database:
        """Return where first answers are kept. Raises DatabaseUnreachable, SchemaUnknown."""
        ...


class KeepingRoute(APIRoute):
    """Keeps what FastAPI itself refuses, a body it finds invalid, as a key's first answer: no handler sees that.

    A body of another kind than JSON is refused before, and keeps none, since nobody looked at it.
    The key covers path and body: a refusal for the query is not kept, since the same body may come with a better one.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        ordinary, takes_json = super().get_route_handler(), self.body_field is not None

        async def keeping(given: Request) -> Response:
            request = JsonRequest(given.scope, given.receive)
            refusal = kind_refusal(request) if takes_json else None
            if refusal is not None:
                return refusal
            try:
                return await ordinary(request)
            except (RequestValidationError, HTTPException) as error:
                has_left = isinstance(error.__cause__, ClientDisconnect)
                refusal = None if has_left else invalid_body_response(request, error)
                if refusal is None or request.method != "POST" or HEADER not in request.headers:
                    raise
            return await _keep_refusal(request, refusal)

        return keeping


async def _keep_refusal(request: Request, refusal: Response) -> Response:
    async def refuse(_session: Session) -> KeptAnswer:
        return KeptAnswer(refusal.status_code, PROBLEM_JSON, bytes(refusal.body))

    keeper: KeepsAnswers = request.app.state.api
    database = keeper.usable_database()  # what is no JSON is found before any dependency asked
    given = await answer_once(request, caller(request), database, refuse)
    return given.response()


@dataclass(frozen=True)
class GivenAnswer:
    """What is answered, and whether it was made now or remembered."""

    answer: KeptAnswer
    is_replayed: bool

    def response(self, **headers: str) -> Response:
        if self.is_replayed:
            headers[REPLAYED] = "true"
        if self.answer.location is not None:
            headers["Location"] = self.answer.location
        return Response(self.answer.body, self.answer.status, headers, self.answer.media_type)


async def answer_once(request: Request, who: Caller, database: Database, deed: Deed) -> GivenAnswer:
    """Do `deed` in one transaction and keep its answer under the request's key, if it bears one.

    A refusal undoes the deed and is kept like any answer, unless it is 500 or above, or did not look at the body: such
    a one undoes all, the key's use as well, and is raised. Raises IdempotencyKeyReused, RequestInvalid for a wrong key.
    """
    key = await _key_of(request, who)
    async with database.transaction() as session:
        kept = IdempotencyRepository(session)
        if key is not None:
            first = await kept.lock_or_recall(key)
            if first is not None:
                return GivenAnswer(first, is_replayed=True)
        answer = await _answer(request, session, deed)
        if key is not None:
            await kept.keep(key, answer)
    return GivenAnswer(answer, is_replayed=False)


async def _answer(request: Request, session: Session, deed: Deed) -> KeptAnswer:
    try:
        async with session.begin_nested():
            return await deed(session)
    except DomainError as refusal:
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(refusal, PreconditionFailed):
            raise
        body = error_body(request.scope, refusal)
        return KeptAnswer(refusal.status, PROBLEM_JSON, body, location_of(refusal))


async def _key_of(request: Request, who: Caller) -> RequestKey | None:
    lines = request.headers.getlist(HEADER)
    if not lines:
        return None
    given = ", ".join(lines)  # of two keys none is meant
    if not _KEY.fullmatch(given):
        raise RequestInvalid(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    digest = hashlib.sha256(await request.body()).hexdigest()
    return RequestKey(who.name, f"{request.method} {request.scope['path']}", given, digest)
