"""Many rows at once: COPY on PostgreSQL, the ORM elsewhere. The caller's transaction."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from django.db import connection, models

BATCH = 1000


def is_copied() -> bool:
    """Tell whether `insert_rows` writes past the ORM here, so that encrypted columns must come encrypted."""
    return connection.vendor == "postgresql"


def insert_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows given as values of the columns `names` (attribute names, like job_id).

    Every column without a default in the database must be named. COPY fires the same checks as INSERT.
    """
    if not is_copied():
        made = (model(**dict(zip(names, row, strict=True))) for row in rows)
        model._default_manager.bulk_create(made, batch_size=BATCH)
        return
    columns = [_column(model, name) for name in names]
    table, listed = connection.ops.quote_name(model._meta.db_table), ", ".join(name for name, _json in columns)
    documents = [place for place, (_name, json) in enumerate(columns) if json]
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(_wrapped(row, documents))


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Take new primary keys for rows that others will refer to before they are inserted."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            cursor.execute(sequence, [table, count])
            return list(map(itemgetter(0), cursor.fetchall()))
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()
    return [*range((last or (0,))[0] + 1, (last or (0,))[0] + count + 1)]


def _column(model: type[models.Model], name: str) -> tuple[str, bool]:
    """Give a column's quoted name and whether it holds JSON."""
    field = next(field for field in model._meta.concrete_fields if field.attname == name)
    return connection.ops.quote_name(str(field.column)), isinstance(field, models.JSONField)


def _wrapped(row: Sequence[Any], documents: Sequence[int]) -> Sequence[Any]:
    if not documents:
        return row
    from psycopg.types.json import Jsonb  # 11 MB that a process on SQLite does without

    values = list(row)
    for place in documents:
        values[place] = Jsonb(values[place])
    return values
