from django.db import connection

from idempotency.watching import count_rows

# Each step asks the index for the next action: some dozens of look-ups, however many events there are.
ACTIONS = """
    WITH RECURSIVE known(action) AS (
        SELECT min(action) FROM events_event
        UNION ALL
        SELECT (SELECT min(action) FROM events_event WHERE action > known.action) FROM known WHERE action IS NOT NULL
    )
    SELECT action FROM known WHERE action IS NOT NULL
"""


def count_events() -> int:
    """Count the events, exactly, by the tally that is kept of them."""
    return count_rows("events_event")


def known_actions() -> list[str]:
    """Return every action that has happened, in the order of the alphabet."""
    with connection.cursor() as cursor:
        cursor.execute(ACTIONS)
        return [action for (action,) in cursor.fetchall()]
