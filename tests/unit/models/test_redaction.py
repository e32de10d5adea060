"""Secrets are taken out of a stream by value, wherever the stream was cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.errors.engine import DockerBuildFailed
from models.rules.errors.request import RequestInvalid
from models.rules.redaction import MASK, Redaction, Redactor

# Few letters, so that secrets overlap each other, themselves and the borders of chunks.
SECRETS = st.lists(st.text("ab", min_size=4, max_size=9).map(str.encode), max_size=4)
CHUNKS = st.lists(st.text("abc", max_size=12).map(str.encode), max_size=12)


def redacted_at_once(secrets: list[bytes], text: bytes) -> bytes:
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.sub(b"|".join(map(re.escape, longest_first)), MASK, text) if secrets else text


@given(SECRETS, CHUNKS)
def test_a_stream_is_redacted_as_if_it_had_come_in_one_piece(secrets: list[bytes], chunks: list[bytes]) -> None:
    redactor = Redactor(secrets)
    streamed = b"".join(map(redactor.feed, chunks)) + redactor.flush()
    assert streamed == redacted_at_once(secrets, b"".join(chunks))


@given(SECRETS, CHUNKS)
def test_at_no_time_a_part_of_a_secret_has_come_out(secrets: list[bytes], chunks: list[bytes]) -> None:
    redactor = Redactor(secrets)
    came_out = taken_in = b""
    for chunk in chunks:
        came_out += redactor.feed(chunk)
        taken_in += chunk
        assert redacted_at_once(secrets, taken_in + b"c").startswith(came_out) or not secrets


def test_a_secret_that_is_split_over_chunks_is_masked() -> None:
    redactor = Redactor(["ghp_0123456789"])
    assert redactor.feed(b"token: ghp_0123") == b"token: "
    assert redactor.feed(b"456789!\n") == b"******!\n"


def test_only_what_could_begin_a_secret_is_held_back() -> None:
    redactor = Redactor(["ghp_0123456789"])
    assert redactor.feed(b"Compiling") == b"Compilin"
    assert redactor.feed(b" done\n") == b"g done\n"


def test_the_longest_secret_wins_also_when_a_shorter_one_has_come_first() -> None:
    redactor = Redactor(["password", "password-of-root"])
    streamed = redactor.feed(b"is password") + redactor.feed(b"-of-root.") + redactor.flush()
    assert streamed == b"is ******."


def test_an_end_in_the_middle_of_a_secret_loses_nothing() -> None:
    redactor = Redactor(["ghp_0123456789"])
    assert redactor.feed(b"ghp_01") + redactor.flush() == b"ghp_01"


@pytest.mark.parametrize("value", ["", "abc", b""])
def test_values_too_short_to_be_secrets_are_left_alone(value: str | bytes) -> None:
    assert Redactor([value]).feed(b"abcabc") == b"abcabc"


def test_without_secrets_the_bytes_pass_through_untouched() -> None:
    data = bytes(range(256))
    assert Redactor().feed(data) is data


TOKEN = "ghp_" + "0123456789abcdefghijklmnopqrstuvwx"  # of 38 characters


def test_a_text_is_redacted_before_it_is_cut() -> None:
    for before in range(1950, 2010):
        told = Redaction([TOKEN]).text("x" * before + TOKEN + " and more " * 20)
        assert len(told) <= 2000
        assert TOKEN[:8] not in told


@pytest.mark.parametrize("shown", range(20, 38))
def test_a_secret_that_somebody_else_has_cut_is_told_by_its_beginning(shown: int) -> None:
    for end in ("", "…", '".', " and so on", TOKEN[0]):
        told = Redaction([TOKEN]).text(f'GitHub says: "Bad token {TOKEN[:shown]}{end}')
        assert TOKEN[:8] not in told
        assert "Bad token ******" in told


def test_words_that_begin_like_a_secret_stay() -> None:
    url = "postgresql://builder:hunter22hunter22@db.example.test:5432/builds"
    text = "postgresql://builder is no address, nor is ghp_0123."
    assert Redaction([TOKEN, url]).text(text) == text


@given(st.lists(st.text("ab", min_size=8, max_size=12), max_size=3), st.text("abc", max_size=60))
def test_no_text_shows_a_secret(secrets: list[str], text: str) -> None:
    told = Redaction(secrets).text(text)
    assert not any(secret in told for secret in secrets)


def test_an_error_is_told_without_secrets_and_stays_what_it_is() -> None:
    cause = KeyError("its cause")
    step = f"Step 2/2 : RUN curl {TOKEN}"
    error = DockerBuildFailed(f"exit code 1 at {step}", failing_step=step, exit_code=1)
    error.__cause__ = cause
    told = Redaction([TOKEN]).error(error)
    assert (told.detail, str(told)) == ("exit code 1 at Step 2/2 : RUN curl ******",) * 2
    assert (told.failing_step, told.exit_code, told.__cause__) == ("Step 2/2 : RUN curl ******", 1, cause)
    assert TOKEN in error.detail
    assert Redaction().error(RequestInvalid("It is odd.", field="tag")).field == "tag"
