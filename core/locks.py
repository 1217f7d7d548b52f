"""Row locks that the ORM has no words for."""

from collections.abc import Collection

from django.db import connection
from django.db.models import Model

from core.postgresql import is_postgresql

SHARE = "SELECT FROM {table} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


def keep(model: type[Model], ids: Collection[int]) -> None:
    """Lock rows FOR KEY SHARE until the caller's transaction ends: nobody else can lock them FOR UPDATE.

    What is read of them afterwards is what the last of those who had them FOR UPDATE has committed. SQLite has one
    writer at a time, so there nothing has to be locked.
    """
    if ids and is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(SHARE.format(table=connection.ops.quote_name(model._meta.db_table)), [sorted(ids)])
