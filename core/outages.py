"""Which code an error of the database or of the broker has: one table for every interface."""

import redis
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, NotSupportedError, ProgrammingError

DATABASE_ERRORS = (DatabaseError, InterfaceError)  # Django's InterfaceError is no DatabaseError
# The first kind that fits counts, so special ones stand before general ones.
CODES: tuple[tuple[type[Exception], str], ...] = (
    (IntegrityError, "CONFLICT"),
    (DataError, "INVALID_PARAMETER"),
    (DatabaseError, "DATABASE_ERROR"),
    (InterfaceError, "DATABASE_ERROR"),
    (redis.RedisError, "BROKER_ERROR"),
)
UNAVAILABLE = ("DATABASE_ERROR", "BROKER_ERROR")
RETRY_AFTER = "2"  # seconds; a database or broker that restarts is back within a few


def storage_code(error: BaseException | None) -> str:
    """Return the code of an error of the database or the broker, "" for any other error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), "")


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the same call may succeed later, because the database or the broker cannot serve it now."""
    return storage_code(error) in UNAVAILABLE


def is_outage(error: BaseException | None) -> bool:
    """Whether the database or the broker is at fault for certain, and not a statement of ours."""
    return is_unavailable(error) and not isinstance(error, ProgrammingError | NotSupportedError)


def of_ours(error: Exception) -> Exception | None:
    """Return an error whose trace is worth its lines, because a statement of ours may be at fault; None for others."""
    return error if isinstance(error, ProgrammingError | NotSupportedError) else None
