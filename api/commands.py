"""The one way of every command: one transaction, the same answer to a repeat, delivery after the commit, a wait."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from api.border.idempotency import Deed, answer_once
from api.border.visitors.caller import Caller
from api.parts import Api
from models.rules.errors.domain import DomainError
from models.rules.run_contract import WorkKey

# waits for what the key names, at most so many seconds; returns whether it has settled, and the row as it is then
Await = Callable[[WorkKey, int], Awaitable[tuple[bool, bytes]]]


async def carry_out(request: Request, api: Api, who: Caller, deed: Deed, *, wait: int = 0, until: Await) -> Response:
    """Do a deed, once however often its Idempotency-Key comes, have it delivered, and wait for its end if asked to.

    After a wait the answer is 200 with the row that has settled, else the deed's own status with the row as it is. A
    row that cannot be read any more does not undo what was done: then the deed's own answer stands.
    """
    given = await answer_once(request, who, api.given.requests, deed)
    work = given.answer.work
    if work is None:  # a refusal: nothing was done
        return given.response()
    if not given.is_replayed:
        api.gateway.deliver_soon(work)
    if not wait:
        return given.response()
    try:
        has_settled, body = await until(work, wait)
    except DomainError:
        return given.response()
    status = HTTPStatus.OK if has_settled else given.answer.status
    return replace(given, answer=replace(given.answer, status=status, body=body)).response()
