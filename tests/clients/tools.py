"""What generates, checks and runs clients: programs of their own versions, beside the product's packages.

They are installed once for each lock file, node among them, so that a machine needs nothing for this.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from standalone.locks import lock

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent
_UV = ROOT / ".slipway" / "uv" / "bin" / "uv"  # standalone/bootstrap.sh brought it
_LOCK_WAIT = timedelta(minutes=5)
_LONGEST_SECONDS = 300
_NPM_FILES = (".npmrc", "package.json", "package-lock.json")


class ToolFailed(Exception):
    """A program ended with an error; the words are its own."""


@dataclass(frozen=True)
class ClientTools:
    """`programs` has Python's and node's, `node_modules` what package.json asks for."""

    programs: Path
    node_modules: Path

    async def run(self, *command: str | Path, cwd: Path, **environment: str) -> str:
        """Run one of them and return what it printed."""
        path = f"{self.programs}:{self.node_modules / '.bin'}:{os.defpath}"
        return await run(*command, cwd=cwd, environment={**os.environ, "PATH": path, **environment})


async def run(*command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    program = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            output, complaint = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode != 0:
        words = (output + complaint).decode(errors="replace")
        raise ToolFailed(f"{Path(command[0]).name} {command[1]} ended with {program.returncode}:\n{words}")
    return output.decode()


async def client_tools() -> ClientTools:
    """Return the tools, installed as their lock files say."""
    folder = ROOT / ".slipway" / "clients"
    tools = ClientTools(folder / "venv" / "bin", folder / "node_modules")
    with lock(folder.with_name("clients.lock"), _LOCK_WAIT) as is_ours:
        assert is_ours, "somebody else has been installing these for minutes"
        await _install_programs(folder)
        await _install_packages(folder, tools)
    return tools


async def _install_programs(folder: Path) -> None:
    wanted, installed = CLIENTS / "requirements.lock", folder / "requirements.installed"
    if _is_same(wanted, installed):
        return
    python = folder / "venv" / "bin" / "python"
    await run(
        _UV, "venv", "--quiet", "--clear", "--python", ROOT / ".venv" / "bin" / "python", folder / "venv", cwd=ROOT
    )
    await run(_UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, wanted, cwd=ROOT)
    shutil.copyfile(wanted, installed)


async def _install_packages(folder: Path, tools: ClientTools) -> None:
    wanted, installed = CLIENTS / "typescript" / "package-lock.json", folder / "package-lock.installed"
    if _is_same(wanted, installed):
        return
    for name in _NPM_FILES:
        shutil.copyfile(CLIENTS / "typescript" / name, folder / name)
    await tools.run("npm", "ci", "--prefer-offline", cwd=folder)
    shutil.copyfile(wanted, installed)


def _is_same(wanted: Path, installed: Path) -> bool:
    return installed.exists() and installed.read_bytes() == wanted.read_bytes()
