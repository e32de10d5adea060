"""What the client is told to build: a file of its own format, so that nothing of it shows among this host's processes.

Arguments of a command are everybody's to read, and a variable called LD_PRELOAD would be the client's own.
"""

import csv
import io
import json
import re
import shutil
from pathlib import Path, PurePosixPath

from activities.adapters.docker.buildx.mounts import Mounts
from activities.ports.engine import EngineBuildRequest

_NO_TARGET_NAME = re.compile(r"[^A-Za-z0-9_-]")
_TEMPLATE_MARK = re.compile(r"([$%])\{")


class BuildFiles:
    """What lies in a build's own folder for the client. `target` is what the build is called there, and in a `ps`."""

    def __init__(self, request: EngineBuildRequest, folder: Path, mounts: Mounts) -> None:
        self.folder = folder
        self.definition = folder / "definition.json"
        self.metadata = folder / "metadata.json"
        self.config = folder / "config"
        self.target = _NO_TARGET_NAME.sub("_", request.engine_build_id)
        self._request = request
        self._mounts = mounts

    def write(self) -> None:
        """Make the folder, which only we may read, and all that the client needs in it. Blocks; raises OSError."""
        request = self._request
        self.folder.mkdir(mode=0o700)
        self.config.mkdir()
        target: dict[str, object] = {
            "context": str(request.context_dir),
            "dockerfile": str(_dockerfile(request, self.folder / "dockerfile")),
            "tags": [request.tag],
            "labels": dict(request.labels),
            "args": dict(request.build_args),
            "secret": [_csv(f"id={name}", f"src={self._mounts.secrets[name]}") for name in request.secrets],
        }
        if self._mounts.ssh_agent is not None:
            target["ssh"] = [f"default={self._mounts.ssh_agent}"]
        if request.target is not None:
            target["target"] = request.target
        self.definition.write_text(json.dumps({"target": {self.target: _literal(target)}}))


def _dockerfile(request: EngineBuildRequest, folder: Path) -> Path:
    """Return the Dockerfile's path: where it is already decided which files are meant, a copy of these two.

    The client would look for the ignore file itself, and would follow links by its own rules.
    """
    if request.dockerfile_file is None:
        return request.context_dir / request.dockerfile
    folder.mkdir()
    copy = folder / PurePosixPath(request.dockerfile).name
    shutil.copyfile(request.dockerfile_file, copy)
    rules = copy.with_name(f"{copy.name}.dockerignore")  # goes before the context's own
    if request.ignore_file is None:
        rules.touch()
    else:
        shutil.copyfile(request.ignore_file, rules)
    return copy


def _literal(value: object) -> object:
    """Escape in all texts what the format would take for a template (HCL's JSON syntax)."""
    if isinstance(value, str):
        return _TEMPLATE_MARK.sub(r"\1\1{", value)
    if isinstance(value, dict):
        return {name: _literal(each) for name, each in value.items()}
    return [_literal(each) for each in value] if isinstance(value, list) else value


def _csv(*fields: str) -> str:
    """Write fields of which any may hold a comma or a quote."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
