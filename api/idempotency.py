"""One deed, one transaction, one answer: a repeat under the same Idempotency-Key gets the first answer again."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from api.problems import PROBLEM_JSON, error_body
from api.security import Caller
from models.database import Database, Session
from models.errors import DomainError, RequestInvalid
from models.idempotency_repository import IdempotencyRepository, KeptAnswer, RequestKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
JSON = "application/json"
# for the description: every POST takes it
HEADER_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "repeats with this key and the same body get the first answer, for 24 hours; another body is 422."
    " An answer of 422 or 5xx is not kept: the key stays free",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)

Work = Callable[[Session], Awaitable[KeptAnswer]]


@dataclass(frozen=True)
class GivenAnswer:
    """What is answered, and whether it was made now or remembered."""

    answer: KeptAnswer
    is_replayed: bool

    def response(self, **headers: str) -> Response:
        if self.is_replayed:
            headers[REPLAYED] = "true"
        return Response(self.answer.body, self.answer.status, headers, self.answer.media_type)


async def answer_once(request: Request, who: Caller, database: Database, work: Work) -> GivenAnswer:
    """Do `work` in one transaction and keep its answer under the request's key, if it bears one.

    A refusal undoes the work and is kept like any answer, unless it is 422, or 500 and above: that undoes all, the
    key's use as well, and is raised. Raises IdempotencyKeyReused, RequestInvalid for a key that is none.
    """
    key = await _key_of(request, who)
    async with database.transaction() as session:
        kept = IdempotencyRepository(session)
        if key is not None:
            first = await kept.lock_or_recall(key)
            if first is not None:
                return GivenAnswer(first, is_replayed=True)
        answer = await _answer(request, session, work)
        if key is not None:
            await kept.keep(key, answer)
    return GivenAnswer(answer, is_replayed=False)


async def _answer(request: Request, session: Session, work: Work) -> KeptAnswer:
    try:
        async with session.begin_nested():
            return await work(session)
    except DomainError as refusal:
        # what FastAPI finds invalid never gets here, so no 422 is kept: a mended body may come under the same key
        is_invalid = refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY
        if is_invalid or refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return KeptAnswer(refusal.status, PROBLEM_JSON, error_body(request.scope, refusal))


async def _key_of(request: Request, who: Caller) -> RequestKey | None:
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        raise RequestInvalid(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    digest = hashlib.sha256(await request.body()).hexdigest()
    return RequestKey(who.name, f"{request.method} {request.url.path}", given, digest)
