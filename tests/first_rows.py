"""After a test with real transactions the database has the rows of a new installation again, and no others.

Django empties all tables and asks each app for what follows a migration: a second on PostgreSQL, for a test that has
written to ten of sixty tables.
"""

from collections.abc import Collection, Iterable
from functools import cache

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections, models, transaction
from django.test import TransactionTestCase

from core import frozen
from core.postgresql import is_postgresql

SELDOM = (ContentType, Permission)  # two thirds of the rows, which no test is known to write: only compared

COUNTED = ("backends_room",)  # of PostgreSQL: triggers write what is in no model, and rest while rows are put back
# No trigger but the frozen tables' own asks what points at a row, or counts rows.
IN_ANY_ORDER = "SET LOCAL session_replication_role = replica"
RECOUNT = """
DELETE FROM answers_tally WHERE name = '{table}';
INSERT INTO answers_tally (name, writer, stamp, rows)
SELECT '{table}', 0, gen_random_uuid()::text, count(*) FROM "{table}"
"""


def keep() -> None:
    """Remember the rows that are there, and let tests with real transactions end with these."""
    seldom, often = _rows(SELDOM), _rows(set(apps.get_models()).difference(SELDOM))
    known = _values()

    def teardown(_case: TransactionTestCase) -> None:
        if _values() == known:
            _put_back(often, without=[model._meta.db_table for model in SELDOM])
        else:
            _put_back([*seldom, *often])
        connections.close_all()

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def know_content_types() -> None:
    """Read all content types into their cache, so that a count of queries is the same after every other test."""
    ContentType.objects.get_for_models(*apps.get_models())


def _rows(chosen: Iterable[type[models.Model]]) -> list[models.Model]:
    return [row for model in chosen for row in model._base_manager.all()]


def _values() -> list[list[tuple[object, ...]]]:
    return [list(model._base_manager.order_by("pk").values_list()) for model in SELDOM]


def _put_back(rows: list[models.Model], without: Collection[str] = ()) -> None:
    full = [table for table in _full() if table not in without]
    thawed = [table for table in frozen._tables if table.name in full]
    postgresql = is_postgresql(connection)
    with transaction.atomic(), connection.cursor() as cursor:
        if postgresql:
            cursor.execute(IN_ANY_ORDER)
        for trigger in frozen._triggers(connection, thawed):
            where = f' ON "{trigger.table}"' if postgresql else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}{where}")
        for table in full:
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - the names are our own
        for row in rows:
            row.save_base(raw=True, force_insert=True)
        if postgresql:
            for table in settings.MOREH_WATCHED_TABLES:
                cursor.execute(RECOUNT.format(table=table))
        frozen._after_migrations(using=connection.alias, tables=frozen._tables)
    ContentType.objects.clear_cache()
    know_content_types()


def _full() -> list[str]:
    """Return the tables that have rows."""
    with connection.cursor() as cursor:
        cursor.execute(_which_are_full())
        return [name for (name,) in cursor.fetchall()]


@cache
def _which_are_full() -> str:
    names = [*connection.introspection.django_table_names(include_views=False)]
    names += COUNTED if is_postgresql(connection) else ()
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in names)  # noqa: S608
