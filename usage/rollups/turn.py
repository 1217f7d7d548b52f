"""Who writes roll-ups waits for those who are at it: what one reads, no other changes meanwhile."""

from django.db import connection

KEY = 0x7573616765  # "usage"


def take_turn() -> None:
    """Wait for the right to write roll-ups, until the caller's transaction ends; SQLite has one writer anyway.

    A roll-up of many hours may use more memory than a short query.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [KEY])
            cursor.execute("SET LOCAL work_mem = '256MB'")
