import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from activities.work_area import WorkArea

HOLDER = """
import sys, time
from pathlib import Path
from activities.work_area import WorkArea
with WorkArea(Path(sys.argv[1])) as area:
    (area.folder("execution-1") / "source.tar.gz").write_bytes(b"x")
    print(area.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A live process with an area of its own, and that area."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_an_area_and_all_in_it_is_gone_after_use(tmp_path: Path) -> None:
    with WorkArea(tmp_path / "work") as area:
        deep = area.folder("fetch-1") / "a" / "b"
        deep.mkdir(parents=True)
        (deep / "file").write_text("x")
        deep.chmod(0o000)
    assert not list((tmp_path / "work").iterdir())


def test_an_area_is_gone_after_an_error_too(tmp_path: Path) -> None:
    def fail(area: WorkArea) -> None:
        area.folder("fetch-1")
        raise RuntimeError("the work failed")

    with pytest.raises(RuntimeError, match="the work failed"), WorkArea(tmp_path) as area:
        fail(area)
    assert not list(tmp_path.iterdir())


def test_what_a_thread_still_writes_at_the_end_is_swept_by_the_next_start(tmp_path: Path) -> None:
    may_write = threading.Event()
    may_write.set()

    def write(path: Path) -> None:
        while may_write.is_set():
            (path / uuid4().hex).mkdir(parents=True, exist_ok=True)

    with ThreadPoolExecutor(4) as threads:
        with WorkArea(tmp_path) as area:
            writing = [threads.submit(write, area.folder(f"log-{number}")) for number in range(4)]
        may_write.clear()
    assert all(thread.exception() is None for thread in writing)
    with WorkArea(tmp_path) as next_area:
        assert list(tmp_path.iterdir()) == [next_area.path]


def test_a_folder_is_empty_however_often_it_is_asked_for(tmp_path: Path) -> None:
    with WorkArea(tmp_path) as area:
        (area.folder("execution-7") / "leftover").write_text("x")
        assert not list(area.folder("execution-7").iterdir())


def test_what_is_kept_is_kept_from_other_users(tmp_path: Path) -> None:
    with WorkArea(tmp_path / "work") as area:
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "work", area.path, area.folder("fetch-1"))}
    assert modes == {0o700}


def test_the_area_of_a_live_process_is_left_alone(
    tmp_path: Path, other_process: tuple[subprocess.Popen[str], Path]
) -> None:
    _process, area = other_process
    with WorkArea(tmp_path):
        assert (area / "execution-1" / "source.tar.gz").exists()


def test_what_a_killed_process_left_is_swept_at_the_next_start(
    tmp_path: Path, other_process: tuple[subprocess.Popen[str], Path]
) -> None:
    process, left = other_process
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    assert (left / "execution-1" / "source.tar.gz").exists()
    with WorkArea(tmp_path) as area:
        assert list(tmp_path.iterdir()) == [area.path]


def test_what_is_no_area_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "root" / "old").mkdir(parents=True)
    (tmp_path / "root" / "note.txt").write_text("somebody's")
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with WorkArea(tmp_path / "root"):
        assert not (tmp_path / "root" / "old").exists()
    assert (tmp_path / "root" / "note.txt").exists()
    assert tmp_path.exists()


def test_workers_that_start_and_end_at_once_do_not_sweep_each_other(tmp_path: Path) -> None:
    def use(number: int) -> bool:
        with WorkArea(tmp_path) as area:
            (area.folder("execution-1") / "source").write_text(str(number))
            return (area.path / "execution-1" / "source").read_text() == str(number)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(use, range(200)))
    assert not list(tmp_path.iterdir())
