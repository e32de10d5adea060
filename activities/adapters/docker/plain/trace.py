"""BuildKit's own account of a build: the StatusResponse messages inside the engine's `moby.buildkit.trace` lines.

Only the fields that the log needs are described; protobuf skips the others. The numbers are those of BuildKit's
`api/services/control/control.proto` and were checked against a 20.10 engine.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceTransfer, TraceVertex

_PACKAGE = "moby.buildkit.v1"
_NANOSECONDS = 1_000_000_000


class TraceMalformed(Exception):
    """The bytes are no StatusResponse: the engine speaks another dialect, or the stream is damaged."""


def decode_status(raw: bytes) -> TraceStatus:
    """Read one StatusResponse. Raises TraceMalformed."""
    message = _STATUS_RESPONSE()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise TraceMalformed(str(error)) from error
    return TraceStatus(
        vertexes=tuple(
            TraceVertex(
                digest=_text(vertex.digest),
                name=_text(vertex.name),
                cached=vertex.cached,
                started=_nanoseconds(vertex, "started"),
                completed=_nanoseconds(vertex, "completed"),
                error=_text(vertex.error),
                inputs=tuple(map(_text, vertex.inputs)),
            )
            for vertex in message.vertexes
        ),
        logs=tuple(TraceLog(vertex=_text(log.vertex), data=log.msg, stream=log.stream) for log in message.logs),
        transfers=tuple(
            TraceTransfer(vertex=_text(transfer.vertex), name=_text(transfer.ID), done=transfer.current)
            for transfer in message.statuses
        ),
    )


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _nanoseconds(vertex: Any, moment: str) -> int:  # noqa: ANN401 - a generated message
    """Return a moment that may not have come yet; never 0 for one that has."""
    if not vertex.HasField(moment):
        return 0
    at = getattr(vertex, moment)
    return at.seconds * _NANOSECONDS + at.nanos or 1


def _status_response() -> type[Message]:
    file = FileDescriptorProto(name="slipway/engine_trace.proto", package=_PACKAGE, syntax="proto3")
    # Texts are declared as bytes: the same on the wire, but names of steps need not be UTF-8.
    moment = _message(file, "Moment")
    _field(moment, "seconds", 1, FieldDescriptorProto.TYPE_INT64)
    _field(moment, "nanos", 2, FieldDescriptorProto.TYPE_INT32)
    vertex = _message(file, "Vertex", digest=1, name=3, error=7)
    _field(vertex, "inputs", 2, FieldDescriptorProto.TYPE_BYTES, repeated=True)
    _field(vertex, "cached", 4, FieldDescriptorProto.TYPE_BOOL)
    _field(vertex, "started", 5, FieldDescriptorProto.TYPE_MESSAGE, of="Moment")
    _field(vertex, "completed", 6, FieldDescriptorProto.TYPE_MESSAGE, of="Moment")
    transfer = _message(file, "VertexStatus", ID=1, vertex=2)
    _field(transfer, "current", 4, FieldDescriptorProto.TYPE_INT64)
    log = _message(file, "VertexLog", vertex=1, msg=4)
    _field(log, "stream", 3, FieldDescriptorProto.TYPE_INT64)
    status = _message(file, "StatusResponse")
    _field(status, "vertexes", 1, FieldDescriptorProto.TYPE_MESSAGE, of="Vertex", repeated=True)
    _field(status, "statuses", 2, FieldDescriptorProto.TYPE_MESSAGE, of="VertexStatus", repeated=True)
    _field(status, "logs", 3, FieldDescriptorProto.TYPE_MESSAGE, of="VertexLog", repeated=True)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.StatusResponse"))


def _message(file: FileDescriptorProto, message_name: str, **bytes_fields: int) -> DescriptorProto:
    message = file.message_type.add(name=message_name)
    for field, number in bytes_fields.items():
        _field(message, field, number, FieldDescriptorProto.TYPE_BYTES)
    return message


def _field(
    message: DescriptorProto,
    name: str,
    number: int,
    kind: FieldDescriptorProto.Type.ValueType,
    *,
    of: str | None = None,
    repeated: bool = False,
) -> None:
    label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    type_name = None if of is None else f".{_PACKAGE}.{of}"
    message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)


_STATUS_RESPONSE: Any = _status_response()  # its fields are made while running: no static type knows them
