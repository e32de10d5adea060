"""The API does what its description says, and nothing else, whatever it is sent. `make fuzz` tries longer."""

from pathlib import Path

from tests.fuzz.served import served_for_fuzzing
from tests.fuzz.trial import fuzz


async def test_whatever_is_sent_the_answer_is_as_described(database_url: str, tmp_path: Path) -> None:
    async with served_for_fuzzing(database_url, tmp_path) as server:
        found = await fuzz(server.url, tmp_path, examples=10, seed=1)
    assert found.is_clean, found.said
    assert found.requests > 500
