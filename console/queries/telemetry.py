"""Histories of devices as the lines of a chart."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from django.utils.translation import gettext as _

from backends.queries.device_history import History, HistorySource
from backends.telemetry_history.shapes import DeviceHistory, Values

MOST_LINES = 6
"""With more devices a chart shows the lowest, the mean and the highest of each time."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line of a chart; None is a gap."""

    name: str
    values: Values


def chart_lines(history: History, column: str, factor: float) -> list[ChartLine]:
    """Return the lines of a column of telemetry, in units of `1 / factor`; none if nothing is known."""
    shown = [one for one in history.devices if any(value is not None for value in one.values[column])]
    if len(shown) > MOST_LINES:
        return list(_band(shown, column, factor))
    several = len({one.node.pk for one in shown}) > 1
    return [ChartLine(_name(one, several=several), _scaled(one.values[column], factor)) for one in shown]


def reason_of_gap(history: History) -> str:
    """Return why a history has no values."""
    if history.source == HistorySource.NONE:
        return _("No history is kept: neither MOREH_PROMETHEUS_URL nor MOREH_CHARTS_MIB is set.")
    if history.source == HistorySource.PROMETHEUS:
        return _("Prometheus has no values of this time.")
    if history.beyond:
        return _("No history is kept of this node: MOREH_CHARTS_MIB has room for the nodes that were added first.")
    return _("Nothing is known of this time. %(means)s") % {"means": means_note()}


def means_note() -> str:
    """Return how values are kept where there is no Prometheus."""
    return _("Values are kept as means of five minutes, for 24 hours; the first appear after five minutes.")


def known_times(lines: Sequence[ChartLine]) -> int:
    """Return of how many times a chart shows a value."""
    return sum(
        any(value is not None for value in values) for values in zip(*(one.values for one in lines), strict=True)
    )


def _name(one: DeviceHistory, *, several: bool) -> str:
    return f"{one.node.name}/{one.index:02}" if several else f"{one.index:02}"


def _band(shown: Sequence[DeviceHistory], column: str, factor: float) -> Iterator[ChartLine]:
    ways: dict[str, Callable[[list[float]], float]] = {_("highest"): max, _("average"): fmean, _("lowest"): min}
    points = [
        [value for value in values if value is not None]
        for values in zip(*(one.values[column] for one in shown), strict=True)
    ]
    for name, way in ways.items():
        yield ChartLine(name, _scaled([way(known) if known else None for known in points], factor))


def _scaled(values: Values, factor: float) -> list[float | None]:
    return [None if value is None else round(value * factor, 2) for value in values]
