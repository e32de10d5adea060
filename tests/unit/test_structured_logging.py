"""What a process says of itself shows no secret."""

import json
import logging
from collections.abc import Iterator

import pytest

from process.log_lines import configure


@pytest.fixture
def _quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_quiet_again")
def test_no_field_and_no_traceback_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_format="json", log_level="info", secrets=["ghp_secret", "abc"])
    log = logging.getLogger("a.module")
    try:
        raise ValueError("refused ghp_secret")
    except ValueError:
        log.exception("call_failed", extra={"url": "https://x/?token=ghp_secret", "word": "abc"})
    line = capsys.readouterr().err
    assert "ghp_secret" not in line
    said = json.loads(line)
    assert (said["event"], said["url"], said["word"]) == ("call_failed", "https://x/?token=******", "abc")
    assert "ValueError: refused ******" in said["exception"]
