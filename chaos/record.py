"""What was played so far, in a file: who is interrupted goes on, and what is broken can be played again by its seed."""

import json
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from chaos.invariants import Fault
from chaos.rounds import Outcome


class Record:
    def __init__(self, file: Path, seed: int | None) -> None:
        """Read what there is; `seed` begins anew when it is another one than there."""
        self._file = file
        known = json.loads(file.read_text()) if file.exists() else {}
        if seed is not None and known.get("seed") != seed:
            known = {}
        self.seed: int = known.get("seed", seed if seed is not None else 1)
        self._rounds: dict[str, dict[str, list[str]]] = known.get("rounds", {})

    def has(self, cell: str, number: int) -> bool:
        return f"{cell}/{number}" in self._rounds

    def keep(self, cell: str, number: int, outcome: Outcome) -> None:
        found = [f"{fault}: {sentence}" for fault, sentence in outcome.found]
        self._rounds[f"{cell}/{number}"] = {"told": outcome.told, "found": found}
        beside = self._file.with_suffix(".part")
        beside.write_text(json.dumps({"seed": self.seed, "rounds": self._rounds}, indent=1) + "\n")
        beside.replace(self._file)

    @property
    def is_whole(self) -> bool:
        return not any(played["found"] for played in self._rounds.values())

    def table(self, cells: Iterable[str]) -> Table:
        table = Table("cell", "rounds", *Fault, "broken rounds", title=f"chaos, seed {self.seed}")
        for cell in cells:
            played = {name.split("/")[1]: each for name, each in self._rounds.items() if name.split("/")[0] == cell}
            counts = [
                sum(found.startswith(f"{fault}:") for each in played.values() for found in each["found"])
                for fault in Fault
            ]
            broken = " ".join(number for number, each in played.items() if each["found"])
            table.add_row(cell, str(len(played)), *(str(count) for count in counts), broken)
        return table
