import os
import subprocess
from pathlib import Path

from standalone.processes import ProcessIdentity, working_in


def test_a_process_is_known_by_its_number_and_its_start_as_every_release_writes_it_down() -> None:
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert ProcessIdentity.ours() == ProcessIdentity(os.getpid(), f"{boot}/{started}")
    assert ProcessIdentity.ours().is_alive()
    assert not ProcessIdentity(os.getpid(), f"{boot}/{int(started) + 1}").is_alive()


def test_a_process_is_found_by_name_and_folder_until_it_is_dead_though_nobody_has_reaped_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    others = [
        subprocess.Popen(("sleep", "600"), cwd=tmp_path / "elsewhere"),
        subprocess.Popen(("tail", "-f", "/dev/null"), cwd=tmp_path),
    ]
    with subprocess.Popen(("sleep", "600"), cwd=tmp_path) as wanted:
        identity = ProcessIdentity.of(wanted.pid)
        assert identity is not None
        assert working_in(tmp_path, "sleep") == [identity]
        wanted.kill()
        os.waitid(os.P_PID, wanted.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
        assert ProcessIdentity.of(wanted.pid) is None
        assert not identity.is_alive()
        assert working_in(tmp_path, "sleep") == []
    for other in others:
        other.kill()
        other.wait()


def test_a_number_that_no_process_has_is_nobody() -> None:
    with subprocess.Popen(("true",)) as gone:
        gone.wait()
    assert ProcessIdentity.of(gone.pid) is None
