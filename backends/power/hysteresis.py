"""When a sensor becomes part of an alert, and when no longer. Pure."""

from typing import NamedTuple

from backends.power.monitoring import SensorState

RANK = {SensorState.OK: 0, SensorState.WARNING: 1, SensorState.CRITICAL: 2}
CALM = 2  # readings in a row that must be better before an alert becomes better, so that it does not flap


class Alerted(NamedTuple):
    """The state for which a sensor is part of an alert (OK: it is not), and how many readings in a row were better."""

    state: SensorState
    better: int = 0


def next_alerted(before: Alerted, reading: SensorState) -> Alerted:
    """Return what follows a reading: worse at once, better after CALM readings, and as before if nothing was read."""
    if reading is SensorState.UNKNOWN:
        return before
    if RANK[reading] >= RANK[before.state]:
        return Alerted(reading)
    if before.better + 1 >= CALM:
        return Alerted(reading)
    return Alerted(before.state, before.better + 1)
