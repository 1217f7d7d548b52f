"""Many rows at once: COPY and arrays on PostgreSQL, portable statements elsewhere. The caller's transaction."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from django.db import connection, models

from core.postgresql import is_postgresql

BATCH = 1000


def insert_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows given as values of the columns `names` (attribute names, like job_id).

    Every column without a default in the database must be named. COPY fires the same checks as INSERT, but writes past
    the ORM, so that there encrypted columns must come encrypted.
    """
    if not is_postgresql():
        made = (model(**dict(zip(names, row, strict=True))) for row in rows)
        model._default_manager.bulk_create(made, batch_size=BATCH)
        return
    columns = [_column(model, name) for name in names]
    table, listed = connection.ops.quote_name(model._meta.db_table), ", ".join(name for name, _json in columns)
    documents = [place for place, (_name, json) in enumerate(columns) if json]
    # COPY is the driver's own: Django translates the errors of its cursors alone.
    copying = f"COPY {table} ({listed}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(_wrapped(row, documents))


def update_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Update rows, each given as its primary key and plain values of the columns `names`, in one statement."""
    fields = [_field(model, name) for name in (_attname(model), *names)]
    values = list(rows)
    if not values:
        return
    table, columns = connection.ops.quote_name(model._meta.db_table), [_quoted(field) for field in fields]
    with connection.cursor() as cursor:
        if is_postgresql():
            new, arrays = ", ".join(columns), ", ".join(f"%s::{_type(field)}[]" for field in fields)
            setting = ", ".join(f"{column} = new.{column}" for column in columns[1:])
            where = f"old.{columns[0]} = new.{columns[0]}"
            sql = f"UPDATE {table} AS old SET {setting} FROM unnest({arrays}) AS new ({new}) WHERE {where}"  # noqa: S608
            documents = [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)]
            wrapped = (_wrapped(row, documents) for row in values)
            cursor.execute(sql, [list(column) for column in zip(*wrapped, strict=True)])
        else:
            setting = ", ".join(f"{column} = %s" for column in columns[1:])
            sql = f"UPDATE {table} SET {setting} WHERE {columns[0]} = %s"  # noqa: S608 - only our own names
            cursor.executemany(sql, [_at_the_end(fields, row) for row in values])


def _at_the_end(fields: "Sequence[models.Field[Any, Any]]", row: Sequence[Any]) -> list[Any]:
    """Return a row's values as the database takes them, the primary key last."""
    key, *rest = (field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True))
    return [*rest, key]


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Take new primary keys for rows that others will refer to before they are inserted."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if is_postgresql():
            sequence = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            cursor.execute(sequence, [table, count])
            return list(map(itemgetter(0), cursor.fetchall()))
        last = _last_id(cursor, table)
    return [*range(last + 1, last + count + 1)]


def skip_ids(model: type[models.Model], count: int) -> tuple[int, int]:
    """Never give out the next `count` primary keys; return the first and the last of them."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if is_postgresql():
            sequence = "pg_get_serial_sequence(%s, 'id')"
            cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + %s)", [table, table, count - 1])
            (last,) = cursor.fetchone()
        else:
            last = _last_id(cursor, table) + count
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])
    return last - count + 1, last


def _last_id(cursor: Any, table: str) -> int:
    """Return the highest primary key that SQLite has given out in a table, 0 if none."""
    cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
    (last,) = cursor.fetchone() or (0,)
    return int(last)


def _column(model: type[models.Model], name: str) -> tuple[str, bool]:
    """Return a column's quoted name and whether it holds JSON."""
    field = _field(model, name)
    return _quoted(field), isinstance(field, models.JSONField)


def _field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    return next(field for field in model._meta.concrete_fields if field.attname == name)


def _attname(model: type[models.Model]) -> str:
    return next(field.attname for field in model._meta.concrete_fields if field.primary_key)


def _quoted(field: "models.Field[Any, Any]") -> str:
    return connection.ops.quote_name(str(field.column))


def _type(field: "models.Field[Any, Any]") -> str:
    return str(field.rel_db_type(connection))


def _wrapped(row: Sequence[Any], documents: Sequence[int]) -> Sequence[Any]:
    if not documents:
        return row
    from psycopg.types.json import Jsonb  # 11 MB that a process on SQLite does without

    values = list(row)
    for place in documents:
        values[place] = Jsonb(values[place])
    return values
