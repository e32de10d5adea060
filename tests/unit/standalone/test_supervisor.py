import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from standalone.errors import CannotStart
from standalone.locks import lock
from standalone.processes import ProcessIdentity
from standalone.programs import open_log, tail
from standalone.supervision.run_record import RunRecord
from standalone.supervision.supervisor import Patience, refuse_taken


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


def test_a_taken_port_is_one_line_that_names_the_setting(taken_port: int) -> None:
    with pytest.raises(CannotStart) as refusal:
        refuse_taken((("SLIPWAY_API_PORT", taken_port),))
    assert str(refusal.value) == f"port {taken_port} is taken by another program; set SLIPWAY_API_PORT to a free one"


def test_two_settings_with_one_port_are_told_apart_from_a_foreign_program() -> None:
    with pytest.raises(CannotStart, match="SLIPWAY_API_PORT and SLIPWAY_SANDBOX_PORT are both"):
        refuse_taken((("SLIPWAY_API_PORT", 1), ("SLIPWAY_SANDBOX_PORT", 1)))


def test_restarts_come_ever_more_slowly_but_never_stop() -> None:
    patience = Patience(first=timedelta(seconds=1), longest=timedelta(seconds=10))
    assert [patience.pause(deaths) for deaths in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 4, 8, 10, 10, 10]


def test_a_lock_is_held_by_one_and_free_again_after_it(tmp_path: Path) -> None:
    with lock(tmp_path / "lock") as first, lock(tmp_path / "lock") as second:
        assert first
        assert not second
    with lock(tmp_path / "lock") as third:
        assert third


def test_what_runs_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = RunRecord(supervisor=ProcessIdentity.ours(), programs={"api": ProcessIdentity(7, "then")})
    record = record.model_copy(update={"stops_within": timedelta(hours=1.5)})
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record
    RunRecord.forget(tmp_path)
    assert RunRecord.read(tmp_path) is None


def test_a_record_of_a_release_that_did_not_write_the_time_down_is_read(tmp_path: Path) -> None:
    record = RunRecord(supervisor=ProcessIdentity.ours(), programs={"api": ProcessIdentity(7, "then")})
    (tmp_path / "supervisor.json").write_text(record.model_dump_json(exclude={"stops_within"}))
    assert RunRecord.read(tmp_path) == record


@pytest.mark.parametrize("text", ["", "{", '{"supervisor": 7}'])
def test_a_record_that_cannot_be_read_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "supervisor.json").write_text(text)
    assert RunRecord.read(tmp_path) is None


def test_the_tail_of_a_log_is_of_the_newest_start(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    assert tail(path) == "    (nothing)"
    path.write_text("---- start of api, once\nold\n---- start of api, now\nnew\nnewer\n")
    assert tail(path) == "    new\n    newer"
    assert tail(path, lines=1) == "    newer"


def test_a_large_log_is_put_aside_before_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    with path.open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    with open(open_log(path), "wb") as file:  # noqa: PTH123  # a descriptor, not a path
        file.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "api.log.1").stat().st_size == 51 * 1024 * 1024
