"""How a log's events are spelled as server-sent events, and what a reader says when he comes back."""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from sse_starlette import ServerSentEvent

from api.logs.streams import AttemptBegan, Ended, LogEvent, LogPlace, Wrote
from models.rules.build_lifecycle import IMAGE_STATUS, BuildStatus, ImageStatus
from models.rules.errors.request import RequestInvalid

COME_BACK_MILLISECONDS = 1000
_NEWLINE = "\n"
_HEARD_ALL = ".end"
_NUMBER = r"(0|[1-9]\d{0,8})"  # one spelling, and no more digits than an attempt, or a generation, can have
# the release before gave ids without the generation, so they may be of another build's log
_ID = re.compile(rf"(?:{_NUMBER}\.)?{_NUMBER}\.(0|[1-9]\d{{0,14}})({re.escape(_HEARD_ALL)})?", re.ASCII)


EventId = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^(?:{_ID.pattern})?$"})]  # empty: none


class WrittenText(BaseModel):
    """Data of the event `log`: what was written, from this byte of the attempt's log on."""

    offset: int = Field(ge=0)
    text: str


class WrittenBytes(BaseModel):
    """Data of the event `log` where the bytes are no UTF-8."""

    offset: int = Field(ge=0)
    base64: str


class BeganAttempt(BaseModel):
    """Data of the event `attempt`: forget what was read; another log begins, from its first byte."""

    generation: int = Field(description="which build of the image")
    attempt: int = Field(description="of that build")


class EndedBuild(BaseModel):
    """Data of the event `end`, the last one."""

    status: ImageStatus
    build_error: str | None
    log_notice: str | None = Field(description="what of the log the engine clipped or lost")


def _event_schema(name: str, models: list[type[BaseModel]], ids: str) -> dict[str, Any]:
    data = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return {
        "title": f"{name.capitalize()}Event",
        "type": "object",
        "required": ["event", "data", "id"],
        "properties": {
            "event": {"const": name},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"oneOf": data}},
            "id": {"type": "string", "pattern": ids},
        },
    }


# of one event: that is what the schema of a stream means before OpenAPI 3.2
EVENT_SCHEMA: dict[str, Any] = {
    "oneOf": [
        _event_schema("log", [WrittenText, WrittenBytes], r"^\d+\.\d+\.\d+$"),
        _event_schema("attempt", [BeganAttempt], r"^\d+\.\d+\.0$"),
        _event_schema("end", [EndedBuild], r"^\d+\.\d+\.\d+\.end$"),
    ]
}


@dataclass(frozen=True)
class LastEvent:
    """What a reader heard last. `place` is None when that cannot be a place of any log we know."""

    place: LogPlace | None
    has_heard_all: bool = False


def last_event(last_event_id: str | None) -> LastEvent | None:
    """Read a Last-Event-ID, None for none. Raises RequestInvalid for what no stream ever gave."""
    if not last_event_id:
        return None
    found = _ID.fullmatch(last_event_id)
    if found is None:
        raise RequestInvalid("Last-Event-ID must be one that this stream gave, such as 1.1.4096; or send none.")
    generation, attempt, offset, heard_all = found.groups()
    if generation is None:
        return LastEvent(None)
    return LastEvent(LogPlace(int(generation), int(attempt), int(offset)), heard_all is not None)


def server_sent(event: LogEvent, retry: int | None) -> ServerSentEvent:
    """Spell an event; `retry` says with it how soon to come back."""
    match event:
        case Wrote(place, piece) if piece.text is None:
            data = WrittenBytes(offset=piece.offset, base64=b64encode(piece.data).decode())
            return _named("log", data, _id(place), retry)
        case Wrote(place, piece):
            return _named("log", WrittenText(offset=piece.offset, text=piece.text or ""), _id(place), retry)
        case AttemptBegan(place):
            return _named(
                "attempt", BeganAttempt(generation=place.generation, attempt=place.attempt), _id(place), retry
            )
        case Ended(place, status, error, loss):
            ended = EndedBuild(status=IMAGE_STATUS[BuildStatus(status)], build_error=error, log_notice=loss)
            # an id of its own: who lost the connection before this event must hear it, who had it need not return
            return _named("end", ended, _id(place) + _HEARD_ALL, retry)
        case _:
            return ServerSentEvent(retry=COME_BACK_MILLISECONDS)  # the farewell of a process that ends


def _id(place: LogPlace) -> str:
    return f"{place.generation}.{place.attempt}.{place.offset}"


def _named(name: str, data: BaseModel, event_id: str, retry: int | None) -> ServerSentEvent:
    return ServerSentEvent(data.model_dump_json(), event=name, id=event_id, retry=retry, sep=_NEWLINE)
