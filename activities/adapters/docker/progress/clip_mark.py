"""The mark that the engine leaves where it cut a step's output, told from one that the step itself printed."""

import re

# The engine puts its mark at the end of the message that it cut.
_MARK = re.compile(rb"\n?\[output clipped, log limit (?P<limit>-?[\d.]+)(?P<unit>[KMGTP]?i?B)(?:/s)? reached\]\n\Z")
_MARK_END = b" reached]\n"
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_PRECISION = 0.0005  # the mark gives its limit in four digits


def clipped_at(data: bytes, written: int) -> str | None:
    """Return the limit ("1MiB/s") at which the engine cut `data`, before which `written` bytes of the stream came.

    The engine cuts a stream when the whole seconds of the step's life, times the limit, are used up; so what came
    before the first mark is a multiple of the limit. A limit below zero is a setting gone wrong (`-1`): the engine
    then clips all.
    """
    mark = _MARK.search(data) if data.endswith(_MARK_END) else None
    if mark is None:
        return None
    limit = float(mark["limit"]) * _UNIT_BYTES[mark["unit"].decode()]
    whole = written + mark.start()
    if limit > 0:
        times = round(whole / limit)
        if times < 1 or abs(whole - times * limit) > times * limit * _PRECISION:
            return None
    return data[mark.start("limit") :].split(b" ", 1)[0].decode()
