"""Why what a step copies from the context is not there: links on the way to it."""

from pathlib import Path

from activities.source.links import follow, link_text

_QUOTED = 120


def misleading_link(folder: Path, source: str, context_words: str) -> str | None:
    """Say which link on the way to `source`, in the context's folder, leads to nothing; None when none does. Blocks."""
    found = follow(folder, source)
    if not found.links or (found.place is not None and found.led_out is None):
        return None
    if found.place is None and found.is_circle:
        return f"{_quoted(found.links[0])} goes round in a circle of links"
    link = found.led_out or found.links[-1]
    said = f"{_quoted(link)} is a link to {_quoted(link_text(folder / link))}"
    if found.led_out is not None:
        return f"{said}, which leads out of {context_words}"
    return f"{said}, which is not in {context_words}"


def _quoted(path: str) -> str:
    quoted = repr(path)
    return quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…'"
