"""Raise and clear the alerts of one category, so that they are what a check has found now."""

from collections.abc import Callable, Mapping, Sequence

from alerts.choices import Category, Level
from alerts.queries import open_levels
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import Subject

Open = Mapping[Subject, Level]
"""The open alerts of a category, by what they are about."""
Check = Callable[[Open], Sequence[NewAlert]]
"""Return what is wrong now; what is left out is not wrong any more."""


def renew_alerts(category: Category, check: Check) -> None:
    """Raise what is new or has another level, and clear what is gone; an alert that stays is not touched."""
    before = open_levels(category)
    found = check(before)
    raise_alerts(one for one in found if before.get(one.subject) != one.level)
    clear_alerts(category, before.keys() - {one.subject for one in found})
