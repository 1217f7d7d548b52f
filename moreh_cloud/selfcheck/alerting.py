"""Raise and clear the alerts of one category, so that they are what a check has found now."""

from collections.abc import Callable, Mapping, Sequence

from alerts.choices import Category, Level
from alerts.params import to_params
from alerts.queries import AlertContent, open_contents
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import Subject

Open = Mapping[Subject, Level]
"""The open alerts of a category, by what they are about."""
Check = Callable[[Open], Sequence[NewAlert]]
"""Return what is wrong now; what is left out is not wrong any more."""


MOVING = {"seconds", "days", "percent"}
"""Parameters that change while the cause stays what it is."""


def renew_alerts(category: Category, check: Check) -> None:
    """Raise what is new or says something else, and clear what is gone; an alert that stays is not touched."""
    before = open_contents(category)
    found = check({subject: alert.level for subject, alert in before.items()})
    raise_alerts(one for one in found if _lasting(before.get(one.subject)) != _lasting(_content(one)))
    clear_alerts(category, before.keys() - {one.subject for one in found})


def _content(alert: NewAlert) -> AlertContent:
    return AlertContent(alert.level, alert.code, to_params(alert.params))


def _lasting(alert: AlertContent | None) -> AlertContent | None:
    """Return an alert without what changes from one look to the next."""
    if alert is None:
        return None
    return alert._replace(params={name: value for name, value in alert.params.items() if name not in MOVING})
