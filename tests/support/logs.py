"""Takes a build's log apart again, as a reader of the log may."""

import re

_HEADER = re.compile(rb"^Step \d+/\d+ : (.*)\n", re.MULTILINE)


def outputs_of(log: bytes) -> dict[str, bytes]:
    """Return what each step wrote, by its command; whether a step's last newline is its own stays open.

    A step whose header is repeated was left while it ran, which cost one newline.
    """
    headers = list(_HEADER.finditer(log))
    ends = [header.start() for header in headers] + [len(log)]
    outputs: dict[str, bytes] = {}
    for header, end in zip(headers, ends[1:], strict=True):
        name = header[1].decode(errors="replace")
        outputs[name] = outputs.get(name, b"").removesuffix(b"\n") + log[header.end() : end]
    return outputs
