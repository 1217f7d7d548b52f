"""Times that a database holds and Python cannot: infinity, years before the first and after 9999, texts that are none.

They are read as the nearest time that we keep, so that one such row stops no list, tick or command; `prove` names it.
SQLite holds any text; one that is no time is read as the oldest.
"""

import sqlite3
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any

from django.db.backends.signals import connection_created
from django.utils.dateparse import parse_datetime

from core.postgresql import is_postgresql
from core.times import NEWEST, OLDEST

SAFE = range(2, 9999)  # years: any zone's offset leads to a year that Python holds


def read_far_times() -> None:
    """Read them so on every connection that is made from now on."""
    connection_created.connect(_register, dispatch_uid="far_times")
    sqlite3.register_converter("datetime", _parsed)  # instead of Django's, which gives None or fails
    sqlite3.register_converter("timestamp", _parsed)
    sqlite3.register_converter("date", _day)


def _register(*, connection: Any, **_more: object) -> None:
    if is_postgresql(connection):
        adapters, loaders = connection.connection.adapters, _loaders(connection.timezone)
        if adapters.get_loader(adapters.types["timestamptz"].oid, 0) is not loaders["timestamptz"]:
            for kind, loader in loaders.items():
                adapters.register_loader(kind, loader)
    else:
        connection.ops.convert_datetimefield_value = partial(_converted, connection.ops)
        connection.ops.convert_datefield_value = _converted_day


def _converted(ops: Any, value: Any, expression: Any, connection: Any) -> datetime | None:
    """Return a time of SQLite with its zone; what an aggregate gives is still a text."""
    parsed = _parsed(value.encode()) if isinstance(value, str) else value
    found: datetime | None = type(ops).convert_datetimefield_value(ops, parsed, expression, connection)
    return found


def _converted_day(value: Any, _expression: Any, _connection: Any) -> date | None:
    return _day(value.encode()) if isinstance(value, str) else value


def _day(data: bytes) -> date:
    """Return the date that a text of SQLite is."""
    return _parsed(data).date()


def _parsed(data: bytes) -> datetime:
    """Return the time, without its zone, that a text of SQLite is."""
    try:
        found = parse_datetime(data.decode())
    except ValueError:
        found = None
    if found and found.year in SAFE:
        return found
    return (NEWEST if found and found.year > OLDEST.year else OLDEST).replace(tzinfo=None)


@lru_cache
def _loaders(zone: Any) -> dict[str, Any]:
    """Return the loaders by type; Django looks at the `timezone` of its own."""
    from django.db.backends.postgresql.psycopg_any import BaseTzLoader
    from psycopg import DataError
    from psycopg.types.datetime import DateLoader, TimestampLoader

    class NearTime(BaseTzLoader):
        timezone = zone

        def load(self, data: Any) -> datetime:
            try:
                found: datetime = super().load(data)
            except DataError:
                return _nearest(data).astimezone(zone)
            return found if found.year in SAFE else _nearest(data, found.year).astimezone(zone)

    class NearLocalTime(TimestampLoader):
        def load(self, data: Any) -> datetime:
            try:
                found = super().load(data)
            except DataError:
                return _nearest(data).replace(tzinfo=None)
            return found if found.year in SAFE else _nearest(data, found.year).replace(tzinfo=None)

    class NearDate(DateLoader):
        def load(self, data: Any) -> date:
            try:
                found = super().load(data)
            except DataError:
                return _nearest(data).date()
            return found if found.year in SAFE else _nearest(data, found.year).date()

    return {"timestamptz": NearTime, "timestamp": NearLocalTime, "date": NearDate}


def _nearest(data: Any, year: int = NEWEST.year) -> datetime:
    text = bytes(data)
    early = text.startswith(b"-") or text.endswith(b"BC") or year < OLDEST.year
    return (OLDEST if early else NEWEST).astimezone(UTC)
