"""What the client is told to build: a file of its own format, so that nothing of it shows among this host's processes.

Arguments of a command are everybody's to read, and a variable called LD_PRELOAD would be the client's own.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from activities.ports.engine import EngineBuildRequest

_NO_TARGET_NAME = re.compile(r"[^A-Za-z0-9_-]")
_TEMPLATE_MARK = re.compile(r"([$%])\{")


class BuildFiles:
    """What lies in a build's own folder for the client. `target` is what the build is called there, and in a `ps`."""

    def __init__(self, request: EngineBuildRequest, folder: Path) -> None:
        self.folder = folder
        self.definition = folder / "definition.json"
        self.metadata = folder / "metadata.json"
        self.config = folder / "config"
        self.target = _NO_TARGET_NAME.sub("_", request.engine_build_id)
        self._request = request

    def write(self) -> None:
        """Make the folder, which only we may read, and all that the client needs in it. Blocks; raises OSError."""
        request = self._request
        self.folder.mkdir(mode=0o700)
        self.config.mkdir()
        target: dict[str, object] = {
            "context": str(request.context_dir),
            "dockerfile": str(_dockerfile(request, self.folder / "dockerfile")),
            "tags": [request.tag],
            "labels": _literal(request.labels),
            "args": _literal(request.build_args),
        }
        if request.target is not None:
            target["target"] = request.target
        self.definition.write_text(json.dumps({"target": {self.target: target}}))


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


def _literal(texts: Mapping[str, str]) -> dict[str, str]:
    """Escape what the format would take for a template (HCL's JSON syntax)."""
    return {name: _TEMPLATE_MARK.sub(r"\1\1{", text) for name, text in texts.items()}


def csv_fields(*fields: str) -> str:
    """Write fields of which any may hold a comma or a quote."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
