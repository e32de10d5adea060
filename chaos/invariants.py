"""What must hold of every build when a round is over, whatever was done to it."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from docker.errors import ImageNotFound

from chaos.deeds import Victim
from tests.support.servers.product import Product

_ON_ITS_WAY = timedelta(seconds=3)  # a cancel that Temporal took so long before an end had no way of being heard
_TWICE = """
    SELECT 'state ' || state_code AS what FROM build_states
    WHERE build_id = $1 AND status = 'completed' GROUP BY state_code HAVING count(*) > 1
    UNION ALL
    SELECT 'attempt at building' FROM build_executions
    WHERE build_id = $1 AND outcome = 'succeeded' GROUP BY build_id HAVING count(*) > 1
"""
_SERVED = """
    SELECT docker_image_id FROM builds WHERE image_name = $1 AND image_tag = $2 AND status = 'succeeded'
    ORDER BY generation DESC LIMIT 1
"""


class Fault(StrEnum):
    LOST = "lost"  # it came to an end that nobody wanted
    STUCK = "stuck"  # it came to none, or something of it stays open
    TWICE = "twice"  # something that was done was done again
    CANCEL_LOST = "cancel lost"
    DISAGREES = "disagrees"  # the public name and the row


async def faults(product: Product, victim: Victim) -> list[tuple[Fault, str]]:
    """Return what does not hold, each with a sentence."""
    build_id, name = victim.row["build_id"], victim.row["name"]
    [build] = await product.rows("SELECT * FROM builds WHERE id = $1::uuid", build_id)
    found = list(wrong_end(dict(build), victim))
    twice = await product.rows(_TWICE.replace("$1", "$1::uuid"), build_id)
    found += [(Fault.TWICE, f"{name}: {row['what']}") for row in twice]
    unended = "SELECT token FROM build_executions WHERE build_id = $1::uuid AND outcome IS NULL"
    found += [(Fault.STUCK, f"{name}: execution {row['token']}") for row in await product.rows(unended, build_id)]
    served = await product.rows(_SERVED, build["image_name"], build["image_tag"])
    expected = served[0]["docker_image_id"] if served else None
    bears = await asyncio.to_thread(_bearer, product, f"{build['image_name']}:{build['image_tag']}")
    if bears != expected:
        found.append((Fault.DISAGREES, f"{name}: bears {bears}, served is {expected}, build is {build['status']}"))
    return found


def wrong_end(build: Mapping[str, Any], victim: Victim) -> Iterator[tuple[Fault, str]]:
    """Give what is wrong with how a build ended; `build` is its row."""
    name, status = victim.row["name"], build["status"]
    if status in {"pending", "running"}:
        yield Fault.STUCK, f"{name}: {status} at state {build['current_state']}"
        return
    if victim.cancelled_at is not None:
        was_over = build["completed_at"] < victim.cancelled_at + _ON_ITS_WAY
        is_heard = status == "cancelled" or (status == "failed" and build["closed_at"] is not None)
        if not is_heard and not was_over:
            yield Fault.CANCEL_LOST, f"{name}: {status}, {build['error']}"
        return
    wanted = {"failed"} if victim.is_broken else {"succeeded"}
    if status not in wanted | ({"failed"} if victim.is_terminated else set()):
        yield Fault.LOST, f"{name}: {status}, {build['error']}"


def _bearer(product: Product, reference: str) -> str | None:
    try:
        return product.engine.images.get(reference).id
    except ImageNotFound:
        return None
