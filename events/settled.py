"""Up to which id the event log is settled: nothing with a lower id can still be committed (ADR 33).

Ids are given when a row is inserted, and rows become visible when their transaction commits, in another order. Whoever
reads "what is new" by id must not read past an id that is still open.
"""

import time

from django.db import connection

from core.postgresql import is_postgresql
from events.models import Event, Watermark

WAIT = 0.5  # seconds for transactions under way
LOOK_AGAIN = 0.02
LAST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"
# Whoever inserts holds this lock from before it is given an id until its transaction ends.
WRITERS = """
    SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND relation = 'events_event'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def settled_id() -> int:
    """Return the stored watermark, in one query; 0 if there is none yet."""
    return Watermark.objects.filter(pk=1).values_list("settled_id", flat=True).first() or 0


def advance_settled() -> int:
    """Move the watermark to the last id that was given out, once all who had one before have ended, and return it.

    Call it outside of a transaction. While one of these does not end, the watermark stays.
    """
    last = _last_settled()
    stored = settled_id()
    if last is None or last <= stored:
        return stored
    Watermark.objects.get_or_create(pk=1)
    Watermark.objects.filter(pk=1, settled_id__lt=last).update(settled_id=last)
    return last


def _last_settled() -> int | None:
    if not is_postgresql():  # one writer at a time: ids are committed in their order
        return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence('events_event', 'id')")
        sequence = cursor.fetchone()[0]
        cursor.execute(LAST.format(sequence=sequence))
        last = int(cursor.fetchone()[0])
    before, until = _writers(), time.monotonic() + WAIT
    while before and before & _writers():
        if time.monotonic() > until:
            return None
        time.sleep(LOOK_AGAIN)
    return last


def _writers() -> set[str]:
    """Return the transactions that have inserted an event, or are about to."""
    with connection.cursor() as cursor:
        cursor.execute(WRITERS)
        return {row[0] for row in cursor.fetchall()}
