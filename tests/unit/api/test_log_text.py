"""A log's bytes as text and as pieces of a stream."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from api.logs.ring import Ring
from api.logs.text import LogCutter, LogPiece, as_text
from models.rules.log_chunk import LogBytes

WHOLE = "/api/v1/images/1/log"
# what logs are made of: words, newlines, characters of every length, and bytes that are no UTF-8
LOGS = st.lists(
    st.one_of(
        st.binary(max_size=12), st.text(max_size=12).map(str.encode), st.sampled_from([b"\n", b"\x00", "€😀".encode()])
    )
).map(b"".join)


def _pieces(data: bytes, cuts: list[int], start: int = 0) -> list[LogPiece]:
    cutter, pieces = LogCutter(start), list[LogPiece]()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for place, following in itertools.pairwise(places):
        pieces += cutter.cut(data[place:following])
    return pieces + list(cutter.rest())


@given(LOGS, st.lists(st.integers(min_value=0), max_size=8), st.integers(0, 10**9))
def test_pieces_joined_are_the_log_wherever_it_was_cut(data: bytes, cuts: list[int], start: int) -> None:
    pieces = _pieces(data, cuts, start)
    assert b"".join(piece.data for piece in pieces) == data
    offsets = [piece.offset for piece in pieces] + [start + len(data)]
    assert all(piece.end == following for piece, following in zip(pieces, offsets[1:], strict=True))
    assert all(piece.text is None or piece.text.encode() == piece.data for piece in pieces)


@given(st.text(max_size=60), st.lists(st.integers(min_value=0), max_size=8))
def test_text_stays_text_though_its_characters_come_in_parts(text: str, cuts: list[int]) -> None:
    assert "".join(piece.text or "?" for piece in _pieces(text.encode(), cuts)) == text


def test_a_piece_of_other_bytes_ends_with_its_line() -> None:
    pieces = _pieces(b"fine\n\xff\xfe broken\nfine again\n", [])
    assert [(piece.data, piece.text is None) for piece in pieces] == [
        (b"fine\n", False),
        (b"\xff\xfe broken\n", True),
        (b"fine again\n", False),
    ]


@given(LOGS, st.integers(min_value=0))
def test_the_text_of_an_open_log_is_only_added_to(data: bytes, cut: int) -> None:
    earlier = data[: cut % (len(data) + 1)]
    shown = [as_text(each, cut_bytes=0, is_complete=False, lines=None, whole=WHOLE) for each in (earlier, data)]
    assert shown[1].startswith(shown[0])


def test_a_cut_log_says_so_and_begins_with_a_whole_character() -> None:
    shown = as_text("€ and more".encode()[1:], cut_bytes=7, is_complete=True, lines=None, whole=WHOLE)
    notice, _, rest = shown.partition("\n")
    assert "7 bytes" in notice
    assert WHOLE in notice
    assert rest == " and more"


def test_last_lines_are_counted_as_people_do() -> None:
    def last(data: bytes, lines: int) -> str:
        return as_text(data, cut_bytes=0, is_complete=True, lines=lines, whole=WHOLE)

    assert last(b"a\nb\nc\n", 2) == "b\nc\n"
    assert last(b"a\nb\nc", 2) == "b\nc"
    assert last(b"a\n", 5) == "a\n"
    assert last(b"\n\n", 1) == "\n"
    assert last(b"", 1) == ""


def test_last_lines_that_are_all_there_need_no_notice() -> None:
    assert as_text(b"x\na\nb\n", cut_bytes=9, is_complete=True, lines=2, whole=WHOLE) == "a\nb\n"
    assert as_text(b"x\na\nb\n", cut_bytes=9, is_complete=True, lines=9, whole=WHOLE).startswith("[the first 9 bytes")


def test_bytes_that_are_no_utf_8_show_as_the_replacement_character() -> None:
    assert as_text(b"a\xffb\xe2\x82", cut_bytes=0, is_complete=True, lines=None, whole=WHOLE) == "a�b�"


def test_a_tail_keeps_the_newest_mebibyte() -> None:
    ring, run = Ring(100), b"x" * 200_000
    for _run in range(10):
        ring.add(LogBytes(ring.end, run))
    assert ring.end == 100 + 2_000_000
    assert 1024 * 1024 <= ring.end - ring.start <= 1024 * 1024 + len(run)
    assert ring.read(ring.start + 5, 10) == b"x" * 10
    assert ring.read(ring.end, 10) == b""
