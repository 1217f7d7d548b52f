"""Temperatures: levels with hysteresis, after two reports, one alert for each node."""

from datetime import timedelta
from itertools import count

import pytest

from alerts.models import OPEN, Alert
from backends.health.heat import Heat, HeatLimits, next_heat
from backends.models import Backend, Bmc, HotDevice, ManagerPresence, Telemetry
from backends.services.heat_alerts import note_heat
from core.clock import db_now
from tests import make
from tests.alerts.heard import by_category, heard

LIMITS = HeatLimits(86, 94, 98, 3)
STEPS: dict[str, tuple[list[float], list[int]]] = {
    "below": ([85.9, 85.9, 85.9], [0, 0, 0]),
    "two reports at a limit": ([86, 86, 85], [0, 1, 1]),
    "one report is none": ([99, 40, 99, 40], [0, 0, 0, 0]),
    "the level that both have reached": ([99, 87, 95, 95], [0, 1, 1, 2]),
    "three degrees cooler, twice": ([90, 90, 83, 83, 82.9, 82.9], [0, 1, 1, 1, 1, 0]),
    "a level at a time": ([98, 98, 95, 95, 94.9, 94.9, 90.9, 90.9], [0, 3, 3, 3, 3, 2, 2, 1]),
    "to cold at once": ([98, 98, 50, 50], [0, 3, 3, 0]),
    "cooler, then not": ([94, 94, 80, 92, 80, 92], [0, 2, 2, 2, 2, 2]),
    "cooler, then hotter": ([94, 94, 80, 99, 99], [0, 2, 2, 2, 3]),
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_level_changes_after_two_reports(steps: tuple[list[float], list[int]]) -> None:
    heat, levels = Heat(), []
    for temperature in steps[0]:
        heat = next_heat(heat, temperature, LIMITS)
        levels.append(heat.level)
    assert levels == steps[1]


_seconds = count()


def report(node: Backend, *temperatures: float | None) -> None:
    at = db_now() + timedelta(milliseconds=next(_seconds))
    for device, temperature in zip(node.devices.order_by("index"), temperatures, strict=True):
        Telemetry.objects.update_or_create(device=device, defaults={"temperature": temperature, "at": at})
    note_heat()


@pytest.mark.django_db
def test_one_alert_names_the_hot_devices_of_a_node() -> None:
    node, cold = make.ready_backend(2, name="gpu-1"), make.ready_backend(1)
    report(cold, 40)
    with heard() as told:
        report(node, 87, 99)
        for _ in range(3):
            note_heat()  # no new report
        assert told == []
        report(node, 87, 99)
        report(node, 87, 99)
        alert = Alert.objects.get()
        assert (alert.level, alert.times, alert.text) == (
            "CRITICAL",
            1,
            "gpu-1: device 00 has reached 86 °C; device 01 has reached 98 °C",
        )
        for _ in range(2):
            report(node, 40, 96)
        alert.refresh_from_db()
        assert (alert.level, alert.times, alert.text) == ("CRITICAL", 2, "gpu-1: device 01 has reached 98 °C")
        for _ in range(2):
            report(node, 40, None)  # not measured: it stays as hot as it was, for a while
        assert HotDevice.objects.count() == 1
        now = db_now()
        ManagerPresence.objects.update_or_create(pk=1, defaults={"since": now - timedelta(hours=1), "seen": now})
        HotDevice.objects.update(reported_at=now - timedelta(seconds=31))
        report(node, 40, None)
        assert by_category(told) == [("GPU_TEMPERATURE", "RAISED"), ("GPU_TEMPERATURE", "CLEARED")]
    assert (HotDevice.objects.count(), Alert.objects.filter(OPEN).count()) == (0, 0)


@pytest.mark.django_db
def test_values_that_are_not_measured_and_silence_end_no_alert_but_power_off_does() -> None:
    node = make.ready_backend(1)
    with heard() as told:
        for temperature in (99, 99, None, 99, None, 99, 99):
            report(node, temperature)
        Telemetry.objects.update(at=db_now() - timedelta(hours=1))  # it died of heat
        note_heat()
        assert by_category(told) == [("GPU_TEMPERATURE", "RAISED")]
        Bmc.objects.update(status="off")
        note_heat()
        assert by_category(told) == [("GPU_TEMPERATURE", "RAISED"), ("GPU_TEMPERATURE", "CLEARED")]
    assert HotDevice.objects.count() == 0


@pytest.mark.django_db
def test_a_device_that_gets_hotter_escalates_the_alert() -> None:
    node = make.ready_backend(1)
    with heard() as told:
        for temperature in (86, 86, 94, 94, 91, 91, 90, 90):
            report(node, temperature)
        assert by_category(told) == [("GPU_TEMPERATURE", "RAISED"), ("GPU_TEMPERATURE", "ESCALATED")]
    assert (Alert.objects.get().level, Alert.objects.get().times) == ("NOTICE", 3)
