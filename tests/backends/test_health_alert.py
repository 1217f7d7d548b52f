"""The alert about the health of a node's devices."""

import pytest

from alerts.models import Alert
from backends.health.findings import FINDINGS, REPORTED
from backends.services.findings import ReportedFact
from scheduler.services import health
from tests import make

pytestmark = pytest.mark.django_db
XID_79, HOT = ReportedFact("XID", 79, 1), ReportedFact("THERMAL_SLOWDOWN")


def test_the_alert_tells_every_reason_for_a_verdict() -> None:
    node = make.ready_backend(1, name="gpu-1")
    device = node.devices.get()
    lost, dead = "The driver no longer reaches the device. (LOST)", f"{FINDINGS['XID_79'].meaning} (XID 79)"
    told = []
    for facts in ([XID_79], [XID_79, ReportedFact("LOST")], [ReportedFact("LOST"), HOT], []):
        health.store_findings({device.pk: facts}, codes=REPORTED)
        alert = Alert.objects.get(cleared_at=None)
        told.append((alert.text, alert.times))
    assert told == [
        (f"gpu-1: device 00 is failed. {dead}", 1),
        (f"gpu-1: device 00 is failed. {dead} {lost}", 2),
        (f"gpu-1: device 00 is failed. {lost}", 3),
        ("gpu-1: device 00 is failed.", 4),
    ]
