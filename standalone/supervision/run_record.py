"""What runs, written down for `down`, `status` and the next `up`: the one file that outlives a killed supervisor."""

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from standalone.processes import ProcessIdentity

_FILE = "supervisor.json"


class RunRecord(BaseModel):
    """The supervisor, and the programs that it has started, in the order of their start.

    `stops_within` is how long an orderly end of all may take; it stands here since the settings may change meanwhile.
    `made_from` tells whether they have: Stack.made_from as it was at the start.
    """

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessIdentity
    programs: dict[str, ProcessIdentity] = {}
    stops_within: timedelta = timedelta(minutes=3)  # what older releases, which did not write it down, took for enough
    made_from: str = ""

    @classmethod
    def read(cls, data_dir: Path) -> Self | None:
        """Return None when there is none, or none that can be read: it is written whole, or by another release."""
        with suppress(FileNotFoundError, ValidationError):
            return cls.model_validate_json((data_dir / _FILE).read_text())
        return None

    def write(self, data_dir: Path) -> None:
        draft = data_dir / f"{_FILE}.{os.getpid()}"
        draft.write_text(self.model_dump_json(indent=2))
        draft.replace(data_dir / _FILE)

    @staticmethod
    def forget(data_dir: Path) -> None:
        (data_dir / _FILE).unlink(missing_ok=True)
