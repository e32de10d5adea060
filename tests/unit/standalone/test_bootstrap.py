"""bootstrap.sh itself, run with a Python and a uv that only pretend."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "standalone" / "bootstrap.sh"
LOCKED = "one==1.0 --hash=sha256:00\n"
TOOLS_LOCKED = "pytest==1.0 --hash=sha256:00\n"
PYTHON = f"""#!/bin/sh
# says of itself that it is RELEASE; takes "uv==…" from pip's words, and puts such a uv where pip would
echo "python $*" >>journal
case "$*" in
--version) echo "Python RELEASE" ;;
*_base_executable*) echo "$0" ;;
-c*) exec {sys.executable} -c 'import sys; sys.version_info = (RELEASE_INFO); exec(sys.argv[1])' "$2" ;;
*"-m venv"*) mkdir -p .slipway/uv/bin && cp "$0" .slipway/uv/bin/python ;;
*"-m pip install"*) sed "s/VERSION/${{*##*==}}/" uv.in >.slipway/uv/bin/uv && chmod +x .slipway/uv/bin/uv ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >>journal
echo "${UV_SYSTEM_CERTS:-}" >certificates
case "$*" in
--version) echo "uv VERSION (x86_64-unknown-linux-gnu)" ;;
venv*) mkdir -p .venv/bin && cp "$4" .venv/bin/python ;;
"python install"*) [ -x brought/python ] || { printf 'error: no\\n  cause: the line is cut\\n' >&2 && exit 1; } ;;
"python find"*) echo "$PWD/brought/python" ;;
esac
"""
TOOLS = ("sh", "cat", "chmod", "cmp", "cp", "dirname", "flock", "git", "grep", "id", "mkdir", "mv", "rm", "sed", "tail")

SYNC = "uv pip sync --quiet --require-hashes --compile-bytecode --python .venv/bin/python requirements.lock"
SYNC_PRODUCT = SYNC.replace("requirements.lock", "requirements.run.lock")


class Machine:
    """A clone with nothing but the script and its lock file, on a machine with that Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._place("standalone/bootstrap.sh", SCRIPT.read_text())
        self.locks(LOCKED)
        self._place("uv.in", UV)
        self.has_python("3.11.2")
        for tool in TOOLS:
            path = shutil.which(tool)
            assert path, f"{tool} is missing on this machine"
            (folder / "bin" / tool).symlink_to(path)

    def locks(self, product: str) -> None:
        self._place("requirements.lock", product + TOOLS_LOCKED)
        self._place("requirements.run.lock", product)

    def has_python(self, release: str, place: str = "bin/python3") -> None:
        numbers = release.replace(".", ", ")
        self._place(place, PYTHON.replace("RELEASE_INFO", numbers).replace("RELEASE", release))

    def _place(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def has_uv(self, script: str) -> None:
        self._place(".slipway/uv/bin/uv", script)

    def bootstrap(self, *words: str) -> list[str]:
        """Run it, and return the commands that it ran, without looks at versions."""
        (self.folder / "journal").write_text("")
        finished = self._run(*words)
        assert finished.returncode == 0, finished.stderr
        ran = (self.folder / "journal").read_text().splitlines()
        return [line for line in ran if " -c " not in line and "--version" not in line]

    def refusal(self) -> str:
        """Run it, and return why it did not go on."""
        finished = self._run()
        assert finished.returncode == 1, finished.stdout
        return " ".join(line.removeprefix("bootstrap: ") for line in finished.stderr.splitlines())

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        script = (str(self.folder / "bin" / "sh"), "standalone/bootstrap.sh")
        return subprocess.run(
            (*script, *words),
            check=False,
            cwd=self.folder,
            env={"PATH": str(self.folder / "bin")},
            capture_output=True,
            text=True,
        )


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
    machine.locks(LOCKED.replace("1.0", "1.1"))
    assert machine.bootstrap() == [SYNC]


def test_what_runs_gets_no_tools_of_those_who_write_it_and_is_content_where_they_are(machine: Machine) -> None:
    assert machine.bootstrap("product")[-1] == SYNC_PRODUCT
    assert machine.bootstrap("product") == []
    assert machine.bootstrap() == [SYNC]
    assert machine.bootstrap("product") == []
    machine.locks(LOCKED.replace("1.0", "1.1"))
    assert machine.bootstrap("product") == [SYNC], "tools that are in use are not taken away"


@pytest.mark.parametrize("release", ["3.11.0", "3.11.2", "3.12.1", "3.13.0", "3.14.8"])
def test_a_python_of_each_tried_release_will_do_at_any_patch_level(machine: Machine, release: str) -> None:
    machine.has_python(release)
    assert f"uv venv --quiet --python {machine.folder}/bin/python3 .venv" in machine.bootstrap()


@pytest.mark.parametrize("release", ["3.10.14", "3.15.0"])
def test_a_python_that_fits_is_found_beside_one_that_does_not(machine: Machine, release: str) -> None:
    machine.has_python(release)
    machine.has_python("3.12.1", "bin/python3.12")
    assert f"uv venv --quiet --python {machine.folder}/bin/python3.12 .venv" in machine.bootstrap()


@pytest.mark.parametrize("release", ["3.9.18", "3.15.0"])
def test_where_no_python_fits_uv_brings_one(machine: Machine, release: str) -> None:
    machine.has_python(release)
    machine.has_python("3.13.9", "brought/python")
    assert machine.bootstrap()[2:] == [
        "uv python install --no-bin 3.13",
        "uv python find --managed-python 3.13",
        f"uv venv --quiet --python {machine.folder}/brought/python .venv",
        SYNC,
    ]


def test_where_uv_cannot_bring_a_python_it_is_said_why_and_what_to_do(machine: Machine) -> None:
    machine.has_python("3.9.18")
    refusal = machine.refusal()
    assert "needs Python 3.11, 3.12, 3.13 or 3.14, and python3 is Python 3.9.18" in refusal
    assert "uv cannot bring one: the line is cut" in refusal
    assert "sudo apt-get install python3 python3-venv" in refusal


def test_the_certificates_that_this_system_trusts_are_trusted(machine: Machine) -> None:
    stores = ("ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt", "ssl/ca-bundle.pem")
    machine.bootstrap()
    trusted = (machine.folder / "certificates").read_text().strip()
    assert trusted == ("1" if any(Path("/etc", store).exists() for store in stores) else "")


def test_what_lies_in_the_data_folder_is_this_users_alone(machine: Machine) -> None:
    machine.bootstrap()
    assert (machine.folder / ".slipway").stat().st_mode & 0o777 == 0o700
