"""What the errors of Postgres and its driver mean to whoever asked; what is a defect of ours goes on as it is."""

import logging
import os
from datetime import timedelta
from typing import NoReturn

import asyncpg
from sqlalchemy import exc
from sqlalchemy.engine import ExceptionContext

from models.rules.errors.database import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
    PoolExhausted,
)
from models.rules.errors.domain import DomainError

log = logging.getLogger(__name__)

_LONGEST_REASON = 200
_RETRY_AFTER = timedelta(seconds=2)
_RETRY_WHEN_FULL_AFTER = timedelta(seconds=30)  # somebody has to make room first
# what asyncpg raises while a server is starting, stopping, gone or full
AWAY = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
_BUSY = (
    *(asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.QueryCanceledError),
    *(asyncpg.LockNotAvailableError, asyncpg.IdleInTransactionSessionTimeoutError),
    asyncpg.InsufficientResourcesError,  # memory, or a limit of its configuration; the others of its class come before
)
_FULL = (asyncpg.DiskFullError, asyncpg.PostgresIOError)
REFUSED = (
    *(asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError),
    *(asyncpg.DatabaseDroppedError, asyncpg.IdleSessionTimeoutError),
    *(asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError),  # a wrong DATABASE_URL
)


def raise_named(error: Exception) -> NoReturn:
    """Raise what the error means; what is a defect of ours goes on as it is."""
    if isinstance(error, exc.TimeoutError):
        raise PoolExhausted("Too many requests at once; try again in a moment.", retry_after=_RETRY_AFTER) from error
    root = _root(error)
    if isinstance(root, (*_FULL, asyncpg.ReadOnlySQLTransactionError)):
        _raise_unwritable(error, root)
    is_away = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    if is_away or isinstance(root, (*AWAY, *REFUSED)) or isinstance(error, AWAY):
        raise DatabaseUnreachable(
            "The database cannot be reached; nothing was changed. Try again in a moment.", retry_after=_RETRY_AFTER
        ) from error
    if isinstance(root, _BUSY):
        raise DatabaseBusy(
            "The database is too busy for this; nothing was changed. Try again in a moment.", retry_after=_RETRY_AFTER
        ) from error
    raise error


def _raise_unwritable(error: Exception, root: BaseException) -> NoReturn:
    is_full = isinstance(root, _FULL)
    # no caller can do anything about it: let whoever runs the database read it
    log.error("database_not_writable", extra={"reason": str(root).partition("\n")[0][:_LONGEST_REASON]})
    if is_full:
        raise DatabaseFull(
            "The database cannot write, because its disk is full or failing; nothing was changed. Try again when there"
            " is room.",
            retry_after=_RETRY_WHEN_FULL_AFTER,
        ) from error
    raise DatabaseReadOnly(
        "The database takes no changes just now; nothing was changed. Try again in a moment.",
        retry_after=_RETRY_AFTER,
    ) from error


def leave_standby(context: ExceptionContext) -> None:
    if isinstance(_root(context.original_exception), asyncpg.ReadOnlySQLTransactionError):
        context.is_disconnect = True


def _root(error: BaseException) -> BaseException | None:
    """Return what the driver raised."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return cause.__cause__ if cause is not None and cause.__cause__ is not None else cause


def reason_of(error: DomainError) -> str:
    """Say in the driver's words why the database could not be used: for logs, since no caller can act on it."""
    root = _root(error.__cause__) if error.__cause__ is not None else None
    if isinstance(root, TimeoutError) and not str(root):
        return "no answer in time"
    if isinstance(root, OSError) and root.errno is not None:  # in words: the address stands beside it
        return (os.strerror(root.errno) if root.errno > 0 else root.strerror) or type(root).__name__
    return str(root or error.detail).partition("\n")[0][:_LONGEST_REASON] or type(root).__name__
