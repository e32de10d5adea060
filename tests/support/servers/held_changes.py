"""Changes of the database that are held within their transaction, so that a test sees what happens meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg

_LOCK = 20_733_099  # a lock that only tests take
_PATIENCE_SECONDS = 90.0
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"


@asynccontextmanager
async def holding(
    url: str, table: str, change: Literal["INSERT", "UPDATE"], moment: str = "true", *, at_commit: bool = False
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Hold each change of a row that is `moment` (SQL over OLD and NEW), at once or when its transaction commits.

    Yields the question whether one is held; all go on when the block ends.
    """
    connection = await asyncpg.connect(url, timeout=_PATIENCE_SECONDS)
    kind, when, late = ("CONSTRAINT ", "AFTER", "DEFERRABLE INITIALLY DEFERRED ") if at_commit else ("", "BEFORE", "")
    try:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
        await connection.execute(
            "CREATE FUNCTION hold_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {moment} THEN PERFORM pg_advisory_xact_lock({_LOCK}); END IF; RETURN NEW; END $$"
        )
        await connection.execute(
            f"CREATE {kind}TRIGGER hold_change {when} {change} ON {table} {late}FOR EACH ROW"
            " EXECUTE FUNCTION hold_change()"
        )

        async def is_held() -> bool:
            return bool(await connection.fetchval(_WAITING, _LOCK))

        yield is_held
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")
        await connection.execute("DROP FUNCTION IF EXISTS hold_change CASCADE")
        await connection.close()
