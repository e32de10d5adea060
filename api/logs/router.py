"""Logs of images: whole, and as they grow."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response, StreamingResponse

from api.border.conditional import ASK_AGAIN, UNCHANGED, is_known
from api.border.demand import IntegerFrom
from api.border.problems import answers, error_response
from api.border.routing import readable
from api.described_headers import header
from api.image_id import LARGEST_ID, ImageId
from api.logs.events import COME_BACK_MILLISECONDS, EVENT_SCHEMA, EventId, last_event, server_sent
from api.logs.representation import CODINGS, Representation, Wanted
from api.logs.streams import AttemptBegan, LogPlace
from api.parts import UsableApi
from api.paths import IMAGES
from models.repositories.log.facts import LogFacts, StoredLog
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.request import ImageNotFound, LogNotFound, RangeNotSatisfiable, RequestInvalid

Attempt = Annotated[int, IntegerFrom(1, LARGEST_ID)]
_PLAIN = "text/plain; charset=utf-8"
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_EVENTS = "text/event-stream"
_PING_SECONDS = 15
_UNKEPT = {"Cache-Control": "no-store"}
_ANSWERS = answers(
    RequestInvalid,
    ImageNotFound,
    LogNotFound,
    *DATABASE_AWAY,
)
_STREAM_DESCRIPTION = """Server-sent events, at any process of the API:

- `log` with data `{"offset": n, "text": …}`, or `{"offset": n, "base64": …}` where bytes are no UTF-8;
- `attempt` with data `{"generation": n, "attempt": n}` when another log begins: of another attempt, or of another
  build of the image. Forget what was read; what follows begins at offset 0;
- `end` with data `{"status": …, "build_error": …, "log_notice": …}`, after which the stream closes.

The id is `<generation>.<attempt>.<end offset>`, that of `end` has `.end` behind it. Sent back as `Last-Event-ID` it
goes on without a gap or a repeat. When the image is built anew meanwhile, or the id is of another log (also one of the
older form `<attempt>.<offset>`), the stream begins the newest log with `attempt`.

**After `end`, close**: an EventSource would come back by itself. Who comes back with the id of `end` gets 204, which
ends an EventSource for good, while the image has no newer build; who missed `end` gets it again."""

router = APIRouter(prefix=IMAGES, tags=["Images"])


def _wanted(
    request: Request,
    wanted_range: Annotated[
        str | None, Header(alias="Range", description="one range of bytes, as `bytes=4096-`; else all are answered")
    ] = None,
    if_range: Annotated[
        str | None, Header(alias="If-Range", description="the ETag of what is known: with another, all are answered")
    ] = None,
) -> Wanted:
    return Wanted(request.headers.get("Accept-Encoding"), wanted_range, if_range)


@readable(
    router,
    "/{image_id}/log",
    response_class=Response,
    summary="Read a whole log",
    responses={
        200: {"content": _TEXT, "headers": header("ETag") | header("Accept-Ranges") | header("Vary")},
        206: {"content": _TEXT, "headers": header("ETag") | header("Content-Range"), "description": "The range"},
        **UNCHANGED,
        **_ANSWERS,
        **answers(RangeNotSatisfiable),
    },
)
async def read_log(
    request: Request,
    image_id: ImageId,
    api: UsableApi,
    wanted: Annotated[Wanted, Depends(_wanted)],
    *,
    attempt: Annotated[Attempt | None, Query(description="the newest by default")] = None,
    download: Annotated[bool | None, Query(description="as a file")] = None,
) -> Response:
    """Every byte that was written so far, after redaction; of the newest attempt, or the given one.

    With `Accept-Encoding: zstd` or `gzip` compressed, unless a range is asked for.
    """
    log = await _stored(api, image_id, attempt)
    shown = Representation.of(log, await api.logs.size(log), wanted)
    headers = {**shown.headers, "Cache-Control": ASK_AGAIN}
    if is_known(request.headers, shown.etag):
        kept = ("ETag", "Vary", "Cache-Control")
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={name: headers[name] for name in kept})
    if shown.is_beyond:
        return _nothing_there(request, shown)
    if download:
        headers["Content-Disposition"] = f'attachment; filename="image-{image_id}-attempt-{log.attempt}.log"'
    status = HTTPStatus.OK if shown.cut is None else HTTPStatus.PARTIAL_CONTENT
    # nothing for HEAD, but streamed: an empty body would bear a length, and that of a compressed log nobody knows
    pages = _pages(api, log, shown) if request.method != "HEAD" else ()
    return StreamingResponse(pages, status, headers, _PLAIN)


@readable(
    router,
    "/{image_id}/log/stream",
    response_class=EventSourceResponse,
    summary="Follow a log",
    description=_STREAM_DESCRIPTION,
    responses={
        200: {"content": {_EVENTS: {"schema": EVENT_SCHEMA}}},
        204: {"description": "You have heard all, the end too: do not come back"},
        **_ANSWERS,
    },
)
async def stream_log(
    request: Request,
    image_id: ImageId,
    api: UsableApi,
    last_event_id: Annotated[EventId | None, Query(description="where a header cannot be sent")] = None,
    last_event_id_header: Annotated[
        EventId | None, Header(alias="Last-Event-ID", description="the id of the last event that was heard")
    ] = None,
) -> Response:
    in_header, in_query = last_event(last_event_id_header), last_event(last_event_id)
    last = in_header or in_query  # an EventSource keeps the address that it began with, and tells the newest by header
    log = await _stored(api, image_id, None)
    start = LogPlace(log.generation, log.attempt, 0)
    place = start if last is None else last.place
    left = None if place is None else await api.tails.left(log, place)
    if last is not None and last.has_heard_all and left == 0 and not log.is_build_open:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=_UNKEPT)
    if request.method == "HEAD":
        return Response(headers=_UNKEPT, media_type=_EVENTS)
    events = _events(api, log, start if place is None or left is None else place, begins_anew=left is None)
    return EventSourceResponse(events, ping=_PING_SECONDS, headers=_UNKEPT)


async def _stored(api: UsableApi, image_id: int, attempt: int | None) -> StoredLog:
    async with api.given.streams.transaction() as session:
        logs = LogFacts(session)
        found = await logs.of_image(image_id, attempt)
        if found is not None:
            return found
        if attempt is not None and await logs.of_image(image_id) is not None:
            raise LogNotFound(f"Image {image_id}'s newest build has no attempt {attempt}.")
    raise ImageNotFound(f"There is no image {image_id}.")


def _nothing_there(request: Request, shown: Representation) -> Response:
    detail = f"The log has {shown.size} bytes, and none in the range that was asked for; ask again when it has grown."
    answer = error_response(request.scope, RangeNotSatisfiable(detail))
    answer.headers.update(shown.headers)
    return answer


async def _pages(api: UsableApi, log: StoredLog, shown: Representation) -> AsyncIterator[bytes]:
    first, end = shown.cut or (0, shown.size)
    squeezing = CODINGS[shown.coding]() if shown.coding is not None else None
    async with aclosing(api.logs.pages(log, first, end)) as pages:
        async for page in pages:
            yield page if squeezing is None else await asyncio.to_thread(squeezing.compress, page)
    if squeezing is not None:
        yield squeezing.flush()


async def _events(
    api: UsableApi, log: StoredLog, place: LogPlace, *, begins_anew: bool
) -> AsyncGenerator[ServerSentEvent, None]:
    # with the first event, not before it: by itself it is an event to some parsers, and one without data
    retry: int | None = COME_BACK_MILLISECONDS
    if begins_anew:
        yield server_sent(AttemptBegan(place), retry)
        retry = None
    async with aclosing(api.tails.follow(log.build_id, place)) as events:
        async for event in events:
            yield server_sent(event, retry)
            retry = None
