"""Series of each device: one pass over the rows, kept as numbers, because there may be 80,000 devices."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import nan

from django.conf import settings
from django.db.models import Case, F, Q, Value, When

from backends.choices import PowerStatus
from backends.models import Device
from moreh_cloud.metrics.exposition import GaugeText, chunks, label
from moreh_cloud.metrics.nodes import DIGITS, MIB, Node

MEASURED = {
    "temperature": (GaugeText("moreh_device_temperature_celsius", "Temperature of the device."), 1.0),
    "memory_temperature": (
        GaugeText("moreh_device_memory_temperature_celsius", "Temperature of the device's memory."),
        1.0,
    ),
    "utilization": (GaugeText("moreh_device_utilization_ratio", "How busy the device is, from 0 to 1."), 0.01),
    "memory_utilization": (
        GaugeText("moreh_device_memory_utilization_ratio", "How busy the memory of the device is, from 0 to 1."),
        0.01,
    ),
    "used_memory": (GaugeText("moreh_device_memory_used_bytes", "Used memory of the device."), float(MIB)),
    "power": (GaugeText("moreh_device_power_watts", "Power that the device draws."), 1.0),
}
"""By the column of telemetry: the gauge, and its unit in units of the column."""
SIZE = GaugeText("moreh_device_memory_size_bytes", "Memory of the device; absent if its agent has never named it.")
STATE = GaugeText(
    "moreh_device_state", "The status of the device and its health verdict, as labels; the value is always 1."
)
COLUMNS = (
    *("backend_id", "index", "model", "total_memory", "status", "verdict", "fresh"),
    *(f"telemetry__{name}" for name in MEASURED),
)


@dataclass(slots=True)
class Devices:
    """The labels of all devices, their states, and a column of numbers for each gauge; NaN: not known."""

    labels: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    sizes: "array[float]" = field(default_factory=lambda: array("d"))
    measured: "Sequence[array[float]]" = field(default_factory=lambda: [array("d") for _ in MEASURED])

    def series(self, *, openmetrics: bool) -> Iterator[bytes]:
        """Yield the series of all devices, gauge by gauge."""
        gauges = [gauge for gauge, _unit in MEASURED.values()]
        for gauge, column in zip((SIZE, *gauges), (self.sizes, *self.measured), strict=True):
            yield gauge.head(openmetrics=openmetrics).encode()
            yield from gauge.series(self.labels, column)
        yield STATE.head(openmetrics=openmetrics).encode()
        pairs = zip(self.labels, self.states, strict=True)
        yield from chunks(f"{STATE.name}{{{labels},{state}}} 1.0\n" for labels, state in pairs)


def read_devices(nodes: Sequence[Node], now: datetime) -> Devices:
    """Return the devices of these nodes, in one query; a value that is out of date is not known."""
    known = {node.row.pk: node for node in nodes}
    units = [(column, unit) for column, (_gauge, unit) in enumerate(MEASURED.values())]
    tails: dict[tuple[int, str], str] = {}
    states: dict[tuple[str, str], str] = {}
    found = Devices()
    rows = (
        Device.objects.filter(backend__deleted_at__isnull=True)
        .order_by("backend_id", "index")
        .annotate(fresh=_fresh(now))
    )
    for node_id, index, model, size, status, verdict, fresh, *values in rows.values_list(*COLUMNS).iterator(2_000):
        node = known.get(node_id)
        if node is None:  # it was made since the nodes were read
            continue
        tail = tails.get((index, model))
        if tail is None:
            tail = tails[index, model] = f"{label('device', str(index))},{label('model', model)}"
        state = states.get((status, verdict))
        if state is None:
            state = states[status, verdict] = f"{label('status', status)},{label('verdict', verdict)}"
        found.labels.append(f"{node.labels},{tail}")
        found.states.append(state)
        found.sizes.append(float(size * MIB) if size else nan)
        for column, unit in units:
            value = values[column]
            found.measured[column].append(round(value * unit, DIGITS) if fresh and value is not None else nan)
    return found


def _fresh(now: datetime) -> Case:
    """Return whether the values of a device are not out of date; the database says it, reading 80,000 times is slow."""
    recent = Q(telemetry__at__gte=now - settings.MOREH_SILENT_AFTER)
    not_off = ~Q(backend__bmc__status=PowerStatus.OFF) | Q(telemetry__at__gte=F("backend__bmc__checked_at"))
    return Case(When(recent & not_off, then=Value(value=True)), default=Value(value=False))
