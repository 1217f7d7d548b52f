"""The lock under which roll-ups are written: what its holder reads, nobody else changes meanwhile."""

from django.db import connection

from core.postgresql import is_postgresql
from core.waits import wait_long

KEY = 0x7573616765  # "usage"


def lock_rollups() -> None:
    """Wait for the lock on roll-ups and hold it until the caller's transaction ends; SQLite has one writer anyway.

    The transaction may also use more memory and take longer than others, because many hours may be rolled up in it.
    """
    if is_postgresql():
        wait_long()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [KEY])
            cursor.execute("SET LOCAL work_mem = '256MB'")
