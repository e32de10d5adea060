"""What is done to a product or to one of its builds. Each deed is a cell of the table; dice say what is open in it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from tests.support.operators import delete_workflow, reset_workflow
from tests.support.servers.product import Product

OUTAGES_SECONDS = (1, 3, 8, 20, 45, 90, 180, 300)
_LATEST_SECONDS = 14.0  # builds of a round take about so long
PARTS = ("worker", "api", "temporal", "postgres")


@dataclass
class Victim:
    """A build of a round, and what was done to it that Temporal or the API said yes to."""

    row: dict[str, Any]
    is_broken: bool = False  # its Dockerfile fails
    cancelled_at: datetime | None = None
    is_terminated: bool = False


@dataclass
class Field:
    """Where a round takes place."""

    product: Product
    client: Client
    dice: random.Random
    victims: list[Victim]
    longest_outage: float
    told: list[str] = field(default_factory=list)  # what was done, in words, to be repeated by hand

    def tell(self, what: str) -> None:
        self.told.append(what)

    async def some_time_later(self) -> None:
        await asyncio.sleep(self.dice.uniform(0, _LATEST_SECONDS))

    def outage_seconds(self) -> float:
        return min(self.dice.choice(OUTAGES_SECONDS), self.longest_outage)

    def victim(self) -> Victim:
        return self.dice.choice(self.victims)


Deed = Callable[[Field], Awaitable[None]]


def _outage(part: str, *, is_orderly: bool) -> Deed:
    async def take_away(field: Field) -> None:
        await field.some_time_later()
        seconds = field.outage_seconds()
        field.tell(f"{'stop' if is_orderly else 'kill'} {part} for {seconds:.0f} s")
        await (field.product.stop(part) if is_orderly else field.product.kill(part))
        await asyncio.sleep(seconds)
        await field.product.start(part)

    return take_away


async def _cancel(field: Field) -> None:
    await field.some_time_later()
    victim = field.victim()
    if await _is_taken(field, "cancel", victim, lambda handle: handle.cancel()):
        victim.cancelled_at = datetime.now(UTC)


async def _cancel_beside_a_signal(field: Field) -> None:
    await field.some_time_later()
    victim = field.victim()
    signal = field.dice.choice(("poke", "resume", "pause", "unpause"))
    await _is_taken(field, signal, victim, lambda handle: handle.signal(signal))
    if await _is_taken(field, "cancel", victim, lambda handle: handle.cancel()):
        victim.cancelled_at = datetime.now(UTC)
    elif signal == "pause":  # or it waits for ever
        await _is_taken(field, "unpause", victim, lambda handle: handle.signal("unpause"))


async def _terminate(field: Field) -> None:
    await field.some_time_later()
    victim = field.victim()
    victim.is_terminated |= await _is_taken(field, "terminate", victim, lambda handle: handle.terminate())


async def _delete(field: Field) -> None:
    await field.some_time_later()
    victim = field.victim()
    await _is_taken(field, "delete", victim, lambda handle: delete_workflow(field.client, handle.id))


async def _reset(field: Field) -> None:
    await field.some_time_later()
    victim = field.victim()
    part = field.dice.random()
    await _is_taken(field, f"reset to {part:.2f}", victim, lambda handle: reset_workflow(field.client, handle.id, part))


async def _is_taken(field: Field, deed: str, victim: Victim, call: Callable[[Any], Awaitable[object]]) -> bool:
    """Say whether Temporal took an operator's command; it refuses those to a run that is closed."""
    try:
        async with asyncio.timeout(20):
            await call(field.client.get_workflow_handle(victim.row["workflow_id"]))
    except (RPCError, TimeoutError, ValueError) as refusal:
        field.tell(f"{deed} {victim.row['name']}: refused ({type(refusal).__name__})")
        return False
    field.tell(f"{deed} {victim.row['name']}")
    return True


def _with_an_outage(deed: Deed) -> Deed:
    async def both(field: Field) -> None:
        part = field.dice.choice(PARTS)
        await asyncio.gather(deed(field), _outage(part, is_orderly=field.dice.random() < 0.5)(field))

    return both


_OPERATORS: dict[str, Deed] = {
    "cancel": _cancel,
    "cancel-and-signal": _cancel_beside_a_signal,
    "terminate": _terminate,
    "delete": _delete,
    "reset": _reset,
}
CELLS: dict[str, Deed] = {
    **{f"kill-{part}": _outage(part, is_orderly=False) for part in PARTS},
    **{f"stop-{part}": _outage(part, is_orderly=True) for part in PARTS},
    **_OPERATORS,
    **{f"{name}-in-an-outage": _with_an_outage(deed) for name, deed in _OPERATORS.items()},
}
