"""The schema is brought up to date in the background, so that the API answers, with 503, while Postgres is away."""

import asyncio
import logging

from models.postgres.database import Database
from models.postgres.driver_errors import reason_of
from models.rules.errors.database import DatabaseUnreachable, SchemaUnfinished, SchemaUnknown
from models.rules.errors.domain import DomainError
from process.background import Background

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_DEFECT_SECONDS = 15.0


class Migration(Background):
    """Use as `async with Migration(database) as migration`; it tries until the schema is up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._error: DomainError | None = DatabaseUnreachable(
            "The database has not answered since the start, or its schema is still being brought up to date; nothing"
            " was changed. Try again in a moment."
        )
        self._logged: set[str] = set()

    def check(self) -> None:
        """Raise why the schema cannot be used.

        SchemaUnknown only people can mend; DatabaseUnreachable and its like, and SchemaUnfinished after a defect, may
        pass by themselves.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)  # one error for many requests: theirs would pile up in it

    async def _run(self) -> None:
        while True:
            pause_seconds = _PAUSE_SECONDS
            try:
                await self._database.migrate()
            except SchemaUnknown as error:
                self._note(error)
                return
            except DomainError as error:
                self._note(error)
            except Exception as error:
                log.exception("migration_failed", extra={"retry_in_seconds": _PAUSE_AFTER_DEFECT_SECONDS})
                pause_seconds = _PAUSE_AFTER_DEFECT_SECONDS
                self._error = SchemaUnfinished(
                    "The database's schema could not be brought up to date, which is tried again;"
                    f" the API's log says why ({type(error).__name__})."
                )
            else:
                self._error = None
                return
            await asyncio.sleep(pause_seconds)

    def _note(self, error: DomainError) -> None:
        self._error = error
        if error.code not in self._logged:
            self._logged.add(error.code)
            level = logging.WARNING if error.retryable else logging.ERROR
            where = {"address": self._database.address, "reason": reason_of(error)}
            log.log(level, "schema_not_usable", extra={"code": error.code, "why": error.detail, **where})
