"""What Postgres answers, or does not."""

from models.rules.errors.domain import DomainError


class DatabaseUnreachable(DomainError):
    code, status, retryable = "database_unreachable", 503, True


class DatabaseBusy(DomainError):
    """Postgres gave up on a statement: a deadlock, or its time was over. Nothing was changed."""

    code, status, retryable = "database_busy", 503, True


class DatabaseFull(DomainError):
    """Postgres cannot write to its disk, which is full or failing. Nothing was changed."""

    code, status, retryable = "database_full", 503, True


class DatabaseReadOnly(DomainError):
    """Postgres takes no writes: it is a standby, or was set so. Nothing was changed."""

    code, status, retryable = "database_read_only", 503, True


class PoolExhausted(DomainError):
    code, status, retryable = "pool_exhausted", 503, True


# what passes by itself when Postgres does again
DATABASE_AWAY = (DatabaseUnreachable, DatabaseBusy, DatabaseFull, DatabaseReadOnly, PoolExhausted)


class NameTaken(DomainError):
    """Another live process bears the name that this one was given."""

    code, status = "name_taken", 409


class SchemaUnknown(DomainError):
    """The database was migrated by a newer Slipway."""

    code, status = "schema_unknown", 503


class SchemaUnfinished(DomainError):
    """Bringing the database's schema up to date met a defect of ours; it is tried again."""

    code, status, retryable = "schema_unfinished", 503, True
