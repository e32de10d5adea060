"""The mark that the engine leaves where it cut a step's output, and what lifts the limit that it names."""

import re

# The engine puts its mark at the end of the message that it cut.
_MARK = re.compile(rb"\n?\[output clipped, log limit (?P<limit>-?[\d.]+)(?P<unit>[KMGTP]?i?B)(?:/s)? reached\]\n\Z")
_MARK_END = b" reached]\n"
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_PRECISION = 0.0005  # the mark gives its limit in four digits
_MAJOR = re.compile(r"(\d+)\.")
_UNLIMITED_SINCE = 28
_DROP_IN = (
    "Two variables of dockerd lift the limit: run `systemctl edit docker`, write `[Service]` and below it"
    " `Environment=BUILDKIT_STEP_LOG_MAX_SPEED={speed} BUILDKIT_STEP_LOG_MAX_SIZE={size}`, then"
    " `systemctl restart docker`."
)


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


def remedy(limit: str, version: str | None) -> str:
    """Say how an engine of that version is kept from clipping at `limit`.

    Measured: with -1 Docker 28 clips nothing, 20.10 everything; above 1 MiB/s 20.10 may lose the whole log instead.
    """
    major = _MAJOR.match(version or "")
    if major is None:
        return "The README's table of engines says what lifts the limit."
    if int(major[1]) >= _UNLIMITED_SINCE:
        return _DROP_IN.format(speed=-1, size=-1)
    if limit == "1MiB/s":
        return f"Docker {version} cannot keep up with more: let the step write less, or build on Docker 28."
    return _DROP_IN.format(speed=1 << 20, size=(1 << 31) - 1)
