"""The schema is brought up to date in the background, so that the API answers, with 503, while Postgres is away."""

import logging
from datetime import timedelta

from background import Background
from models.database import Database, wait_until_migrated
from models.errors import DatabaseUnreachable, DomainError

log = logging.getLogger(__name__)

_FOR_EVER = timedelta(days=3650)


class Migration(Background):
    """Use as `async with Migration(database) as migration`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._error: DomainError | None = DatabaseUnreachable(
            "The database has not been reached since the start; nothing was changed. Try again in a moment."
        )

    def check(self) -> None:
        """Raise why the schema cannot be used: DatabaseUnreachable, or SchemaUnknown, which only people can mend."""
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            await wait_until_migrated(self._database, patience=_FOR_EVER)
            self._error = None
        except DomainError as error:
            log.error("schema_refused", extra={"why": error.detail})  # noqa: TRY400 - the sentence says it all
            self._error = error
        except Exception:
            log.exception("migration_failed")
