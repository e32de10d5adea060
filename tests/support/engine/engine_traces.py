"""Writes BuildKit's trace by hand, byte for byte as the wire format has it: an opinion of its own on the decoder."""

import base64
from collections.abc import Iterable

from activities.adapters.docker.progress.status import TraceLog, TraceStatus, TraceVertex


def encode_status(vertexes: Iterable[TraceVertex] = (), logs: Iterable[TraceLog] = ()) -> bytes:
    parts = [_field(1, _vertex(vertex)) for vertex in vertexes]
    parts += [_field(3, _log(log)) for log in logs]
    return b"".join(parts)


def trace_line(vertexes: Iterable[TraceVertex] = (), logs: Iterable[TraceLog] = ()) -> bytes:
    """One line of the engine's answer."""
    aux = base64.b64encode(encode_status(vertexes, logs))
    return b'{"id":"moby.buildkit.trace","aux":"' + aux + b'"}\r\n'


def wrote(vertex: str, data: bytes, stream: int = 1) -> TraceStatus:
    return TraceStatus(logs=(TraceLog(vertex, data, stream),))


def _vertex(vertex: TraceVertex) -> bytes:
    return (
        _field(1, vertex.digest.encode())
        + b"".join(_field(2, digest.encode()) for digest in vertex.inputs)
        + _field(3, vertex.name.encode())
        + (b"\x20\x01" if vertex.cached else b"")
        + (_field(5, _moment(vertex.started)) if vertex.started else b"")
        + (_field(6, _moment(vertex.completed)) if vertex.completed else b"")
        + (_field(7, vertex.error.encode()) if vertex.error else b"")
    )


def _log(log: TraceLog) -> bytes:
    return _field(1, log.vertex.encode()) + _field(2, _moment(1)) + b"\x18" + _varint(log.stream) + _field(4, log.data)


def _moment(nanoseconds: int) -> bytes:
    return b"\x08" + _varint(nanoseconds // 10**9) + b"\x10" + _varint(nanoseconds % 10**9)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
