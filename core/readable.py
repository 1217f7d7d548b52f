"""Values that cannot be read as they are.

SQLite stores a text in a column of amounts, one with more decimals than the column has, and bytes that are no text in
any column; PostgreSQL has an infinite date, and years before the first and after 9999. Times of the first year and from
9999 on are read as other times on both (`core/far_times.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

from core.far_times import SAFE
from core.postgresql import is_postgresql

DIGIT = "[0-9]"
DAY = f"{DIGIT * 4}-{DIGIT * 2}-{DIGIT * 2}"
TIME = f"{DAY} {DIGIT * 2}:{DIGIT * 2}:{DIGIT * 2}*"
# A modifier lets SQLite count the days of a month; without one, February has 31.
NO_DAY = "date({0}, '+0 days') IS NOT {0}"
NO_TIME = "datetime({0}) IS NULL OR datetime(substr({0}, 1, 19), '+0 days') IS NOT substr({0}, 1, 19)"
NO_YEAR = f"substr({{0}}, 1, 4) NOT BETWEEN '{SAFE[0]:04}' AND '{SAFE[-1]}'"
INTEGER = "typeof({0}) <> 'integer'"
RANGE = "NOT ({0} > -1e{whole} AND {0} < 1e{whole})"
NUMBER = f"typeof({{0}}) NOT IN ('integer', 'real') OR {RANGE} OR round({{0}}, {{places}}) <> {{0}}"
TEXT = "typeof({0}) <> 'text' OR NOT is_utf8(CAST({0} AS BLOB))"
ON_SQLITE = {
    "DecimalField": NUMBER,
    "BigIntegerField": INTEGER + " OR NOT ({0} > -1e15 AND {0} < 1e15)",  # sums of larger ones overflow
    "PositiveIntegerField": INTEGER,
    "PositiveSmallIntegerField": INTEGER,
    "ForeignKey": INTEGER,
    "BooleanField": "{0} NOT IN (0, 1)",
    "DateField": f"{{0}} NOT GLOB '{DAY}' OR {NO_DAY} OR {NO_YEAR}",
    "DateTimeField": f"{{0}} NOT GLOB '{TIME}' OR {NO_TIME} OR {NO_YEAR}",
    "CharField": TEXT,
    "TextField": TEXT,
    "JSONField": TEXT,
}
NO_SAFE_YEAR = f"NOT ({{0}} >= '{SAFE[0]:04}-01-01' AND {{0}} < '{SAFE[-1] + 1}-01-01')"
ON_POSTGRESQL = dict.fromkeys(("DateField", "DateTimeField"), NO_SAFE_YEAR)


def unreadable(models_: Iterable[type[models.Model]], *kinds: str) -> Iterator[str]:
    """Return a line for each value of some tables that cannot be read, in all columns or in some kinds of fields."""
    for model in models_:
        for field in model._meta.concrete_fields:
            if not kinds or field.get_internal_type() in kinds:
                yield from unreadable_in(model, field)


def unreadable_in(model: type[models.Model], field: Any, actions: Sequence[str] = ()) -> Iterator[str]:
    """Return a line for each value of a column that cannot be read; of events, for those of some actions."""
    condition = (ON_POSTGRESQL if is_postgresql() else ON_SQLITE).get(field.get_internal_type())
    if condition is None:
        return
    digits, places = (field.max_digits, field.decimal_places) if isinstance(field, models.DecimalField) else (0, 0)
    where = f"({condition.format(field.column, whole=digits - places, places=places)})"
    if actions:
        where += f" AND action IN ({', '.join(['%s'] * len(actions))})"
    _know_utf8()
    yield from (f"{value} cannot be read" for value in _values(model, field, where, actions))


def out_of_range(models_: Iterable[type[models.Model]], first: datetime, last: datetime) -> Iterator[str]:
    """Return a line for each time of some tables that does not lie in a range; those tables must be readable."""
    bounds = [connection.ops.adapt_datetimefield_value(at) for at in (first, last)]
    for model in models_:
        for field in model._meta.concrete_fields:
            if field.get_internal_type() == "DateTimeField":
                where = f"{field.column} NOT BETWEEN %s AND %s"
                yield from (f"{value} is out of range" for value in _values(model, field, where, bounds))


def _values(model: type[models.Model], field: Any, where: str, params: Sequence[Any]) -> list[str]:
    """Return the values of a column that meet a condition as texts, each with its table, row and column."""
    table, column = model._meta.db_table, field.column
    text = f"convert_to(quote_literal({column}), 'UTF8')" if is_postgresql() else f"CAST(quote({column}) AS BLOB)"
    chosen = f"SELECT {_key(model)}, {text} FROM {table} WHERE {column} IS NOT NULL AND {where} ORDER BY 1"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(chosen, params)
        return [f"{table} {_text(pk)} {column}: {_text(value)}" for pk, value in cursor.fetchall()]


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int | str) else bytes(value).decode(errors="replace")


def _key(model: type[models.Model]) -> str:
    """Return an expression for the id of a row; keys of several columns, or of times, as texts."""
    columns = [field.column for field in model._meta.pk_fields]
    if columns == ["id"]:
        return "id"
    texts = " || ' ' || ".join(f"CAST({column} AS text)" for column in columns)
    return texts if is_postgresql() else f"CAST({texts} AS BLOB)"  # one of them may be no text


def _know_utf8() -> None:
    if not is_postgresql():
        connection.ensure_connection()
        connection.connection.create_function("is_utf8", 1, _is_utf8, deterministic=True)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
