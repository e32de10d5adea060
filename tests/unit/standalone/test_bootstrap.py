"""bootstrap.sh itself, run with a Python and a uv that only pretend."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "standalone" / "bootstrap.sh"
LOCKED = "one==1.0 --hash=sha256:00\n"
PYTHON = """#!/bin/sh
# takes "uv==VERSION" from pip's words, and puts such a uv where pip would
echo "python $*" >>journal
case "$*" in
*_base_executable*) echo "$0" ;;
*"-m venv"*) mkdir -p .slipway/uv/bin && cp "$0" .slipway/uv/bin/python ;;
*"-m pip install"*) sed "s/VERSION/${*##*==}/" uv.in >.slipway/uv/bin/uv && chmod +x .slipway/uv/bin/uv ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >>journal
case "$1" in
--version) echo "uv VERSION (x86_64-unknown-linux-gnu)" ;;
venv) mkdir -p .venv/bin && cp "$(command -v python3)" .venv/bin/python ;;
esac
"""

SYNC = "uv pip sync --quiet --require-hashes --compile-bytecode --python .venv/bin/python requirements.lock"


class Machine:
    """A clone with nothing but the script and its lock file, on a machine with that Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._place("standalone/bootstrap.sh", SCRIPT.read_text())
        self._place("requirements.lock", LOCKED)
        self._place("uv.in", UV)
        self._place("bin/python3", PYTHON)

    def _place(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def has_uv(self, script: str) -> None:
        self._place(".slipway/uv/bin/uv", script)

    def bootstrap(self) -> list[str]:
        """Run it, and return the commands that it ran, without looks at versions."""
        (self.folder / "journal").write_text("")
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        subprocess.run(
            ("sh", "standalone/bootstrap.sh"), cwd=self.folder, env={"PATH": path}, check=True, capture_output=True
        )
        ran = (self.folder / "journal").read_text().splitlines()
        return [line for line in ran if " -c " not in line and "--version" not in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def version() -> str:
    (pinned,) = re.findall(r"^uv=uv==(\d+\.\d+\.\d+)$", SCRIPT.read_text(), re.MULTILINE)
    return str(pinned)


def test_a_bare_machine_gets_uv_in_its_one_version_and_the_packages_by_hash(machine: Machine, version: str) -> None:
    assert machine.bootstrap() == [
        "python -m venv --clear .slipway/uv",
        f"python -m pip install --quiet uv=={version}",
        f"uv venv --quiet --python {machine.folder}/bin/python3 .venv",
        SYNC,
    ]
    assert machine.bootstrap() == []


@pytest.mark.parametrize(
    "script",
    [
        UV.replace("VERSION", "0.0.1"),
        UV.replace("VERSION", "{version}0"),
        UV.replace("VERSION", "1{version}"),
        "#!/bin/sh\nexit 1\n",
    ],
    ids=["older", "longer", "higher", "broken"],
)
def test_a_uv_of_another_version_is_replaced(machine: Machine, version: str, script: str) -> None:
    machine.has_uv(script.replace("{version}", version))
    assert f"python -m pip install --quiet uv=={version}" in machine.bootstrap()


@pytest.mark.parametrize("answer", ["uv VERSION", "uv VERSION (platform)"])
def test_a_uv_of_the_one_version_is_kept(machine: Machine, version: str, answer: str) -> None:
    machine.has_uv(UV.replace("uv VERSION (x86_64-unknown-linux-gnu)", answer.replace("VERSION", version)))
    assert [line for line in machine.bootstrap() if "pip install" in line] == []


def test_packages_are_synced_anew_when_the_lock_has_changed(machine: Machine) -> None:
    machine.bootstrap()
    (machine.folder / "requirements.lock").write_text(LOCKED.replace("1.0", "1.1"))
    assert machine.bootstrap() == [SYNC]
