"""Work on many rows in which one that fails stops none of the others."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog
from django.db import OperationalError, connection

from core.outages import DATABASE_ERRORS
from core.postgresql import is_postgresql

K = TypeVar("K")
log = structlog.get_logger(__name__)


def each_apart(keys: Iterable[K], act: Callable[[K], object], event: str, **about: object) -> None:
    """Do something for each key; one that fails is logged as `event`. Raises what would fail for all of them."""
    for key in keys:
        try:
            act(key)
        except Exception as error:
            if _is_of_all(error):
                raise
            log.exception(event, key=key, **about)


def many_apart(keys: Sequence[K], act: Callable[[Sequence[K]], object], event: str) -> None:
    """Do something for many keys at once; where that fails, for each half, until only those fail that must."""
    try:
        act(keys)
    except Exception as error:
        if _is_of_all(error):
            raise
        if len(keys) > 1:
            half = len(keys) // 2
            many_apart(keys[:half], act, event)
            many_apart(keys[half:], act, event)
            return
        log.exception(event, key=keys[0] if keys else None)


def _is_of_all(error: Exception) -> bool:
    """Whether the database is at fault, and not one row: it is gone, or, on SQLite, somebody else is writing."""
    if not isinstance(error, DATABASE_ERRORS):
        return False
    return not connection.is_usable() if is_postgresql() else isinstance(error, OperationalError)
