"""One round: builds of several shapes are ordered, a deed is done to them, and what came of them is looked at."""

import asyncio
import random
from dataclasses import dataclass, field

from temporalio.client import Client

from chaos.deeds import CELLS, PARTS, Field, Victim
from chaos.invariants import Fault, faults
from tests.support.servers.product import Product

_PATIENCE_SECONDS = 240.0  # after the last outage: repairs look twice, 30 s apart
_OPEN = "SELECT count(*) AS n FROM builds WHERE status IN ('pending', 'running')"
_UNENDED = "SELECT count(*) AS n FROM build_executions WHERE outcome IS NULL"


@dataclass(frozen=True)
class Shape:
    """A Dockerfile of builds; steps are never those of another build, so that the engine does them."""

    name: str
    steps: str
    is_broken: bool = False


_SHAPES = (
    Shape("quick", "RUN echo {nonce}\n"),
    Shape("slow", "RUN echo {nonce}; sleep 9\n"),
    Shape("stages", "RUN echo {nonce} > /a; sleep 3\nFROM busybox:1.36\nCOPY --from=0 /a /a\nRUN sleep 2; cat /a\n"),
    Shape("broken", "RUN echo {nonce}; sleep 4; exit 3\n", is_broken=True),
)


@dataclass
class Outcome:
    """What came of a round: nothing is broken where `found` is empty."""

    told: list[str] = field(default_factory=list)
    found: list[tuple[Fault, str]] = field(default_factory=list)


async def play(product: Product, client: Client, cell: str, seed: int, longest_outage: float) -> Outcome:
    """Play a round of a cell; the same seed throws the same dice."""
    dice = random.Random(f"{cell}/{seed}")
    victims = await _order(product, cell, seed)
    place = Field(product, client, dice, victims, longest_outage)
    await CELLS[cell](place)
    for part in PARTS:
        if part not in product.running:
            await product.start(part)
    await _settle(product)
    outcome = Outcome(place.told)
    for victim in victims:
        outcome.found += await faults(product, victim)
    return outcome


async def _order(product: Product, cell: str, seed: int) -> list[Victim]:
    victims = []
    for shape in _SHAPES:
        name = f"{cell}-{seed}-{shape.name}"
        dockerfile = product.base + shape.steps.format(nonce=name)
        commit = product.repository(name, {"Dockerfile": dockerfile})
        victims.append(Victim(await product.order(name, commit), shape.is_broken))
    victims.append(await _order_again(product, f"{cell}-{seed}-served"))
    return victims


async def _order_again(product: Product, name: str) -> Victim:
    """Order an image that serves already: its public name must bear the old image or the new one."""
    commit = product.repository(name, {"Dockerfile": f"{product.base}RUN echo {name}\n"})
    served = await product.settled((await product.order(name, commit))["id"])
    assert served["build_status"] == "success", served["build_error"]
    return Victim(await product.order(name, commit, force_rebuild=True))


async def _settle(product: Product) -> None:
    """Wait until nothing is under way any more, or for so long that something is stuck."""

    async def is_quiet() -> bool:
        counts = [(await product.rows(query))[0]["n"] for query in (_OPEN, _UNENDED)]
        return counts == [0, 0]

    try:
        await product.until(is_quiet, _PATIENCE_SECONDS)
    except TimeoutError:
        return  # what is under way still is told as stuck
    await asyncio.sleep(1)  # what follows an end, such as the names of attempts
