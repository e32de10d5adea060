"""What a Dockerfile says is read as far as it explains a failure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.context.dockerfile import Dockerfile


def test_instructions_know_their_lines_flags_and_sources() -> None:
    text = "# a comment\nFROM busybox AS base\n\nCOPY --from=base --chown=1:2 \\\n  # why\n  a b \\\n  /c/\nRUN true\n"
    first, copy, run = Dockerfile(text).instructions
    assert (first.word, first.first, first.stage) == ("FROM", 2, ("busybox", "base"))
    assert (copy.first, copy.last, copy.sources, copy.froms) == (4, 7, ("a", "b"), ("base",))
    assert copy.flag("chown") == "1:2"
    assert (run.first, run.rest) == (8, "true")


def test_the_escape_character_may_be_another_one() -> None:
    (step,) = Dockerfile("# escape=`\nRUN dir C:\\ `\n  /s\n").instructions
    assert step.last == 3


def test_sources_may_be_written_as_json() -> None:
    (copy,) = Dockerfile('COPY ["a b", "c", "/d"]').instructions
    assert copy.sources == ("a b", "c")


def test_mounts_tell_their_source_and_stage() -> None:
    (run,) = Dockerfile(
        "RUN --mount=type=bind,from=base,source=/x,target=/y --mount=type=cache,target=/z make"
    ).instructions
    assert run.froms == ("base",)
    assert run.sources == ("/x",)


def test_the_lines_of_heredocs_are_known() -> None:
    text = "FROM x\nRUN <<ONE cat >/a && <<-'TWO' cat\nCOPY a /\nONE\n\tFROM y\n\tTWO\nRUN true <<<no\n"
    dockerfile = Dockerfile(text)
    around = {line: dockerfile.heredoc_around(line) for line in range(1, 8)}
    assert {line: found[1] for line, found in around.items() if found} == {3: "ONE", 4: "ONE", 5: "TWO", 6: "TWO"}
    assert [each.word for each in dockerfile.instructions] == ["FROM", "RUN", "RUN"]


def test_a_heredoc_that_never_ends_is_none() -> None:
    assert Dockerfile("RUN <<EOF\necho\n").heredoc_around(2) is None


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=x" + " " * 1_000_000 + "y\nFROM x\n",
        "RUN <<A\n" * 30_000,
        "RUN " + "--a=b " * 170_000,
        "RUN a \\\n" * 100_000,
        "FROM x" + " " * 1_000_000 + "y z\n",
        "COPY [" + '"a",' * 250_000 + '"b"]\n',
    ],
    ids=["directive", "heredocs", "flags", "lines", "stage", "sources"],
)
def test_a_huge_dockerfile_is_read_without_much_ado(text: str) -> None:
    assert [(each.stage, each.froms, each.sources) for each in Dockerfile(text).instructions]


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    for each in Dockerfile(text).instructions:
        assert each.first <= each.last
        assert each.sources is not None
