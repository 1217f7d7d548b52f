"""When the temperature of a device becomes part of an alert, and when no longer. Pure."""

from typing import NamedTuple

REPORTS = 2  # in a row that must agree before anything changes, so that an alert does not flap


class HeatLimits(NamedTuple):
    """The temperatures (°C) from which on the levels 1, 2 and 3 hold, and how much cooler a level ends."""

    notice: float
    warning: float
    critical: float
    cooler_by: float

    def level(self, temperature: float) -> int:
        """Return the level of a temperature; 0: none."""
        return sum(temperature >= limit for limit in self[:3])


class Heat(NamedTuple):
    """The level that is alerted, and how many reports in a row lead to the level `towards`; 0 reports: none."""

    level: int = 0
    towards: int = 0
    reports: int = 0


def next_heat(before: Heat, temperature: float, limits: HeatLimits) -> Heat:
    """Return what follows a report: another level only after REPORTS reports in a row above or below the present one.

    The level is then the one that all of them have reached.
    """
    target = max(limits.level(temperature), min(before.level, limits.level(temperature + limits.cooler_by)))
    if target == before.level:
        return Heat(before.level)
    rises = target > before.level
    if not before.reports or rises != (before.towards > before.level):
        return Heat(before.level, target, 1)
    towards = min(target, before.towards) if rises else max(target, before.towards)
    reports = before.reports + 1
    return Heat(towards) if reports >= REPORTS else Heat(before.level, towards, reports)
