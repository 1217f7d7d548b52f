"""What a node's BMC monitors, on the page of the node: sensors and the latest entries of the event log."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Value, When
from django.urls import reverse

from backends.choices import POWER_CAUSES, SensorState
from backends.models import Backend, BmcLogEntry, Sensor
from core.clock import from_ms
from core.signs import NOTHING

MOST_SENSORS, MOST_ENTRIES = 16, 5
WORST_FIRST = Case(
    When(state=SensorState.CRITICAL, then=Value(0)),
    When(state=SensorState.WARNING, then=Value(1)),
    When(state=SensorState.OK, then=Value(2)),
    default=Value(3),
)
CELLS = {SensorState.OK: "used", SensorState.WARNING: "moving", SensorState.CRITICAL: "out"}


@dataclass(frozen=True, slots=True)
class ShownSensor:
    """A sensor as the page shows it."""

    name: str
    value: str
    state: str
    cell: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """A log entry as the page shows it."""

    at: datetime | None
    sensor: str
    message: str
    state: str
    cell: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The part of a node's page about its BMC's sensors and log."""

    sensors: list[ShownSensor]
    entries: list[ShownEntry]
    error: str
    all_sensors: str
    all_entries: str


def monitoring(node: Backend) -> Monitoring | None:
    """Return sensors (the worst first) and the latest log entries of a node, in two queries; None without a BMC."""
    if node.bmc.ip is None:
        return None
    sensors = Sensor.objects.filter(backend=node).order_by(WORST_FIRST, "pk")[:MOST_SENSORS]
    entries = BmcLogEntry.objects.filter(backend=node).order_by("-pk")[:MOST_ENTRIES]
    code = node.bmc.monitor_error
    return Monitoring(
        [
            ShownSensor(sensor.name, value_of(sensor), sensor.get_state_display(), _cell(sensor.state))
            for sensor in sensors
        ],
        [
            ShownEntry(
                from_ms(entry.time_ms) if entry.time_ms else None,
                entry.sensor,
                entry.message,
                entry.get_severity_display(),
                _cell(entry.severity),
            )
            for entry in entries
        ],
        str(POWER_CAUSES.get(code, code)),
        reverse("admin:backends_sensor_changelist") + f"?backend={node.pk}",
        reverse("admin:backends_bmclogentry_changelist") + f"?backend={node.pk}",
    )


def value_of(sensor: Sensor) -> str:
    """Return the value with its unit; a dash if there is none."""
    return NOTHING if sensor.value is None else f"{sensor.value:g} {sensor.get_unit_display()}".rstrip(" -")


def _cell(state: str) -> str:
    return CELLS.get(SensorState(state), "unknown")
