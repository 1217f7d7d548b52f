"""What BMCs monitor: latest sensor values with their alert, and event log entries, each stored once."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from alerts.subjects import node
from backends.choices import SensorState
from backends.models import Bmc, BmcLogEntry, Sensor
from backends.power import monitoring
from backends.power.hysteresis import Alerted, next_alerted
from backends.power.monitoring import LogMark, LogPortion, SensorReading
from core.clock import db_now

READ = ("unit", "value", "state", "lower_critical", "lower_warning", "upper_warning", "upper_critical")
WRITTEN = (*READ, "read_at", "alerted", "better")
NAMED = 10  # sensors that the text of an alert names


@transaction.atomic
def store_sensors(backend_id: int, readings: Iterable[SensorReading], *, at: datetime) -> bool:
    """Store all sensors of a BMC as they were read after `at`, and raise, change or clear the node's alert.

    Sensors that the BMC no longer has are deleted. Return False if a later reading is stored, or the BMC is gone.
    """
    bmc = Bmc.objects.select_for_update().filter(pk=backend_id, ip__isnull=False).first()
    if bmc is None or (bmc.monitored_at and at < bmc.monitored_at <= db_now()):
        return False
    before = {sensor.name: sensor for sensor in Sensor.objects.filter(backend=backend_id)}
    rows = [_sensor(backend_id, reading, before.get(reading.name), at) for reading in readings]
    gone = before.keys() - {row.name for row in rows}
    Sensor.objects.filter(backend=backend_id, name__in=gone).delete()
    Sensor.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["backend", "name"], update_fields=WRITTEN, batch_size=200
    )
    Bmc.objects.filter(pk=backend_id).update(monitored_at=at, monitor_error="")
    _update_alert(backend_id, before.values(), rows)
    return True


def _sensor(backend_id: int, reading: SensorReading, before: Sensor | None, at: datetime) -> Sensor:
    alerted = Alerted(monitoring.SensorState(before.alerted), before.better) if before else Alerted(_OK)
    after = next_alerted(alerted, reading.state)
    limits = reading.thresholds
    return Sensor(
        backend_id=backend_id,
        name=reading.name,
        unit=reading.unit.value,
        value=reading.value,
        state=reading.state.value,
        lower_critical=limits.lower_critical,
        lower_warning=limits.lower_warning,
        upper_warning=limits.upper_warning,
        upper_critical=limits.upper_critical,
        read_at=at,
        alerted=after.state.value,
        better=after.better,
    )


_OK = monitoring.SensorState.OK


def _update_alert(backend_id: int, before: Iterable[Sensor], after: Iterable[Sensor]) -> None:
    """Raise the alert of a node when the set of its sensors beyond their limits changes; clear it when it is empty."""
    was, now = _alerting(before), _alerting(after)
    if was.items() == now.items():
        return
    if not now:
        clear_alert(Category.BMC_SENSOR, node(backend_id))
        return
    values = {sensor.name: sensor for sensor in after}
    named = [f"{name} {_value(values[name])} ({state})" for name, state in list(now.items())[:NAMED]]
    level = Level.CRITICAL if SensorState.CRITICAL in now.values() else Level.WARNING
    code = Code.BMC_MANY_SENSORS if len(now) > NAMED else Code.BMC_SENSORS
    raise_alert(code, node(backend_id), level=level, sensors=named, more=max(0, len(now) - NAMED))


def _alerting(sensors: Iterable[Sensor]) -> dict[str, str]:
    return {sensor.name: sensor.alerted for sensor in sensors if sensor.alerted != SensorState.OK}


def _value(sensor: Sensor) -> str:
    return "–" if sensor.value is None else f"{sensor.value:g} {sensor.unit}".strip()  # noqa: RUF001


def log_mark(bmc: Bmc) -> LogMark | None:
    """Return the entry of the BMC's log that was stored last, None if none was."""
    return LogMark(bmc.log_record, bmc.log_time) if bmc.log_record else None


@transaction.atomic
def store_log(backend_id: int, portion: LogPortion) -> None:
    """Store log entries that are not stored yet, and of the node's entries only the newest MOREH_BMC_LOG_KEPT."""
    bmc = Bmc.objects.select_for_update().filter(pk=backend_id, ip__isnull=False).first()
    if bmc is None or not portion.entries:
        return
    BmcLogEntry.objects.bulk_create(_entries(backend_id, portion), ignore_conflicts=True, batch_size=200)
    last = portion.entries[-1]
    Bmc.objects.filter(pk=backend_id).update(log_record=last.record, log_time=last.time)
    kept = BmcLogEntry.objects.filter(backend=backend_id).order_by("-pk")
    oldest = kept.values_list("pk", flat=True)[settings.MOREH_BMC_LOG_KEPT :][:1]
    for pk in oldest:
        BmcLogEntry.objects.filter(backend=backend_id, pk__lte=pk).delete()


def _entries(backend_id: int, portion: LogPortion) -> Sequence[BmcLogEntry]:
    now = db_now()
    return [
        BmcLogEntry(
            backend_id=backend_id,
            record=entry.record[:32],
            time_ms=entry.time or 0,
            sensor=entry.sensor[: monitoring.NAME_LENGTH],
            severity=entry.severity.value,
            message=entry.message[: monitoring.MESSAGE_LENGTH],
            stored_at=now,
        )
        for entry in portion.entries
    ]


def record_monitor_error(backend_id: int, code: str, *, at: datetime) -> None:
    """Store why sensors or log could not be read; the values of before stay, with their time."""
    Bmc.objects.filter(pk=backend_id, ip__isnull=False).update(monitored_at=at, monitor_error=code)


def forget_monitoring(backend_id: int) -> dict[str, Any]:
    """Delete the sensors of a BMC that is no longer there, and clear their alert; entries of its log stay.

    Return the columns of the BMC to reset. The caller's transaction.
    """
    Sensor.objects.filter(backend=backend_id).delete()
    clear_alert(Category.BMC_SENSOR, node(backend_id))
    return {"monitored_at": None, "monitor_error": "", "log_record": "", "log_time": None}
