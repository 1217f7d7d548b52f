"""What the signal of alerts says while a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alerts.models import Alert
from alerts.signals import alerts_changed

AlertChanges = list[tuple[int, str]]  # the id of an alert, and what happened to it


@contextmanager
def heard() -> Iterator[AlertChanges]:
    """Collect all changes that are announced."""
    found: AlertChanges = []

    def hear(sender: object, changes: Any, **_more: object) -> None:
        found.extend((alert, str(change)) for alert, change in changes)

    alerts_changed.connect(hear)
    try:
        yield found
    finally:
        alerts_changed.disconnect(hear)


def by_category(changes: AlertChanges) -> list[tuple[str, str]]:
    """Return the changes with the categories of their alerts."""
    known = Alert.objects.in_bulk([pk for pk, _change in changes])
    return [(known[pk].category, change) for pk, change in changes]
