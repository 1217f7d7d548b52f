"""What workers carry out."""

from datetime import timedelta

from core.clock import db_now
from notifications.services.notifying import catch_up
from notifications.services.sweeping import notify_held, repeat_due

RAISED_WITH_A_RULE = timedelta(minutes=2)  # longer than any transaction that raises an alert or creates a rule


def sweep() -> None:
    """Notify of what was held back or is repeated, and what was raised in the moment in which its rule was created."""
    catch_up(since=db_now() - RAISED_WITH_A_RULE)
    notify_held()
    repeat_due()
