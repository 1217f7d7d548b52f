"""Levels with hysteresis: an alert that is open needs less to stay than a new one to be raised."""

from alerts.choices import SEVERITY, Level


def level_of(
    value: float, before: Level | None, *, warning: float | None = None, critical: float | None = None, margin: float
) -> Level | None:
    """Return the level of a value of which more is worse, None if nothing is wrong.

    A level begins at its limit and ends `margin` below it; `before` is the level of the open alert.
    """
    for level, limit in ((Level.CRITICAL, critical), (Level.WARNING, warning)):
        if limit is None:
            continue
        holds = before is not None and SEVERITY[before] >= SEVERITY[level]
        if value > limit - margin if holds else value >= limit:
            return level
    return None
