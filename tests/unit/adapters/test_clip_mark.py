"""What is said to whoever reads a clipped log."""

import pytest

from activities.adapters.docker.progress.clip_mark import remedy


@pytest.mark.parametrize(
    ("limit", "version", "words"),
    [
        ("200KiB/s", "28.5.2+dfsg4", "MAX_SPEED=-1 BUILDKIT_STEP_LOG_MAX_SIZE=-1`"),
        ("2MiB", "29.0.0", "MAX_SPEED=-1 BUILDKIT_STEP_LOG_MAX_SIZE=-1`"),
        ("200KiB/s", "20.10.24+dfsg1", "MAX_SPEED=1048576 BUILDKIT_STEP_LOG_MAX_SIZE=2147483647`"),
        ("2MiB", "26.1.5", "MAX_SPEED=1048576 BUILDKIT_STEP_LOG_MAX_SIZE=2147483647`"),
        ("1MiB/s", "20.10.24+dfsg1", "Docker 20.10.24+dfsg1 cannot keep up with more"),
        ("200KiB/s", None, "README"),
        ("200KiB/s", "library-import", "README"),
    ],
)
def test_the_remedy_is_the_one_for_that_engine(limit: str, version: str | None, words: str) -> None:
    said = remedy(limit, version)
    assert words in said
    assert ("systemctl edit docker" in said) == ("MAX_SPEED" in said)
