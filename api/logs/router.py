"""Logs of images: whole, and as they grow."""

from collections.abc import AsyncGenerator, AsyncIterator
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
from api.described_headers import header
from api.images.parameters import LARGEST_ID, ImageId
from api.logs.events import COME_BACK_MILLISECONDS, EVENT_SCHEMA, EventId, last_event, server_sent
from api.logs.streams import AttemptBegan, LogPlace
from api.parts import UsableApi
from api.paths import IMAGES
from models.repositories.log.facts import LogFacts, StoredLog
from models.rules.errors.database import DATABASE_AWAY
from models.rules.errors.request import ImageNotFound, LogNotFound, RequestInvalid

Attempt = Annotated[int, IntegerFrom(1, LARGEST_ID)]
_PLAIN = "text/plain; charset=utf-8"
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


@readable(
    router,
    "/{image_id}/log",
    response_class=Response,
    summary="Read a whole log",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "headers": header("ETag")},
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


def _tag(log: StoredLog, size_bytes: int) -> str:
    """Name these very bytes: an attempt's log is only added to, and each attempt of a build has a log of its own."""
    return f'"{log.build_id.hex}-{log.attempt}-{size_bytes}"'


async def _stored(api: UsableApi, image_id: int, attempt: int | None) -> StoredLog:
    async with api.given.streams.transaction() as session:
        logs = LogFacts(session)
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
