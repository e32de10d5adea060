"""Logs of images: whole, and as they grow."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response, StreamingResponse

from api.border.conditional import ASK_AGAIN, UNCHANGED, is_known
from api.border.demand import IntegerFrom
from api.border.problems import answers
from api.border.routing import readable
from api.images.parameters import LARGEST_ID, ImageId
from api.logs.streams import AttemptBegan, Ended, LogEvent, LogPlace, Wrote
from api.parts import UsableApi
from api.paths import IMAGES
from models.repositories.log import LogRepository, StoredLog
from models.rules.build_lifecycle import IMAGE_STATUS, BuildStatus
from models.rules.errors.database import DatabaseUnreachable, PoolExhausted
from models.rules.errors.request import ImageNotFound, LogNotFound, RequestInvalid

Attempt = Annotated[int, IntegerFrom(1, LARGEST_ID)]
_PLAIN = "text/plain; charset=utf-8"
_PING_SECONDS = 15
_COME_BACK_MILLISECONDS = 1000
_PLACE = re.compile(r"(\d{1,9})\.(\d{1,15})", re.ASCII)
_ANSWERS = answers(
    RequestInvalid,
    ImageNotFound,
    LogNotFound,
    DatabaseUnreachable,
    PoolExhausted,
)
_STREAM_DESCRIPTION = """Server-sent events: `log` with data `{"offset": n, "text": …}`, or
`{"offset": n, "base64": …}` where bytes are no UTF-8, and id `<attempt>.<end offset>`; `attempt` when another
attempt begins, from offset 0; `end` with the final status, after which the stream closes. `Last-Event-ID` goes on
without a gap or a repeat, at any process of the API."""

router = APIRouter(prefix=IMAGES, tags=["Images"])


@readable(
    router,
    "/{image_id}/log",
    response_class=Response,
    summary="Read a whole log",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **UNCHANGED,
        **_ANSWERS,
    },
)
async def read_log(
    request: Request,
    image_id: ImageId,
    api: UsableApi,
    attempt: Annotated[Attempt | None, Query(description="the newest by default")] = None,
    download: Annotated[bool | None, Query(description="as a file")] = None,
) -> Response:
    """Every byte that was written so far, after redaction; of the newest attempt, or the given one."""
    log = await _stored(api, image_id, attempt)
    size = await api.logs.size(log)
    headers = {"ETag": _tag(log, size), "Cache-Control": ASK_AGAIN}
    if is_known(request.headers, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers["Content-Length"] = str(size)
    if download:
        headers["Content-Disposition"] = f'attachment; filename="image-{image_id}-attempt-{log.attempt}.log"'
    if request.method == "HEAD":
        return Response(headers=headers, media_type=_PLAIN)
    return StreamingResponse(_pages(api, log, size), headers=headers, media_type=_PLAIN)


@readable(
    router,
    "/{image_id}/log/stream",
    response_class=EventSourceResponse,
    summary="Follow a log",
    description=_STREAM_DESCRIPTION,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **_ANSWERS},
)
async def stream_log(
    image_id: ImageId,
    api: UsableApi,
    last_event_id: Annotated[str | None, Query(description="where a header cannot be sent")] = None,
    last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> EventSourceResponse:
    log = await _stored(api, image_id, None)
    given = _place(last_event_id_header or last_event_id)
    is_known = given is None or await api.tails.knows(log, given)
    place = given if given is not None and is_known else LogPlace(log.attempt, 0)
    return EventSourceResponse(
        _events(api, log, place, begins_anew=not is_known),
        ping=_PING_SECONDS,
        headers={"Cache-Control": "no-store"},
    )


def _tag(log: StoredLog, size_bytes: int) -> str:
    """Name these very bytes: an attempt's log is only added to, and each attempt of a build has a log of its own."""
    return f'"{log.build_id.hex}-{log.attempt}-{size_bytes}"'


async def _stored(api: UsableApi, image_id: int, attempt: int | None) -> StoredLog:
    async with api.given.streams.transaction() as session:
        logs = LogRepository(session)
        found = await logs.of_image(image_id, attempt)
        if found is not None:
            return found
        if attempt is not None and await logs.of_image(image_id) is not None:
            raise LogNotFound(f"Image {image_id}'s newest build has no attempt {attempt}.")
    raise ImageNotFound(f"There is no image {image_id}.")


async def _pages(api: UsableApi, log: StoredLog, size: int) -> AsyncIterator[bytes]:
    async with aclosing(api.logs.pages(log, 0, size)) as pages:
        async for page in pages:
            yield page


def _place(last_event_id: str | None) -> LogPlace | None:
    if not last_event_id:
        return None
    found = _PLACE.fullmatch(last_event_id)
    if found is None:
        raise RequestInvalid("Last-Event-ID must be one that this stream gave, such as 1.4096; or send none.")
    return LogPlace(int(found[1]), int(found[2]))


async def _events(
    api: UsableApi, log: StoredLog, place: LogPlace, *, begins_anew: bool
) -> AsyncGenerator[ServerSentEvent, None]:
    if begins_anew:
        yield _event(AttemptBegan(log.attempt))
    async with aclosing(api.tails.follow(log.build_id, place)) as events:
        async for event in events:
            yield _event(event)


def _event(event: LogEvent) -> ServerSentEvent:
    match event:
        case Wrote(attempt, piece):
            shown = {"base64": b64encode(piece.data).decode()} if piece.text is None else {"text": piece.text}
            return _named("log", LogPlace(attempt, piece.end), {"offset": piece.offset, **shown})
        case AttemptBegan(attempt):
            return _named("attempt", LogPlace(attempt, 0), {"attempt": attempt})
        case Ended(place, status, error, loss):
            ended = {"status": IMAGE_STATUS[BuildStatus(status)], "build_error": error, "log_notice": loss}
            return _named("end", place, ended)
        case _:
            return ServerSentEvent(retry=_COME_BACK_MILLISECONDS)


def _named(name: str, place: LogPlace, data: Mapping[str, object]) -> ServerSentEvent:
    return ServerSentEvent(
        json.dumps(data, ensure_ascii=False), event=name, id=f"{place.attempt}.{place.offset}", sep="\n"
    )
