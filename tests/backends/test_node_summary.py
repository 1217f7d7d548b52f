"""The top of a node's page: what needs attention, with its evidence, before any table."""

from typing import Any

import pytest

from accounts.choices import Role
from backends.admin.node_summary import MOST
from backends.models import Backend, Device
from backends.services.findings import ReportedFact
from remediation.models import Repair
from tests import make
from tests.admin_world import address, client_of
from tests.backends.test_node_page import text_of
from tests.backends.test_verdicts import report
from tests.remediation.site import look

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def page(node: Backend) -> Any:
    return client_of(Role.GENERAL).get(address(Backend, "change", node.pk))


def test_what_is_wrong_stands_above_the_tables_with_its_evidence() -> None:
    node = make.ready_backend(4, name="gpu-1")
    healthy, hot, dead, _other = node.devices.all()
    report(hot, ReportedFact("THERMAL_SLOWDOWN", 0, 2, "102 C"))
    report(dead, ReportedFact("XID", 79, 1, "fell off"), ReportedFact("XID", 31, 1))
    report(healthy, ReportedFact("XID", 31, 1))
    answer = page(node)
    shown = [(one.evidence, str(one.meaning)) for one in answer.context["sick"]]
    assert shown == [
        ("XID 79 (1): fell off", "The GPU has fallen off the bus. Check its seat, power and cooling."),
        ("THERMAL_SLOWDOWN (2): 102 C", "The hardware slows itself down because it is too hot."),
    ]
    text = text_of(answer)
    assert text.index("fell off") < text.index('id="node-repairs"') < text.index('id="node-now-tables"')
    assert "There was no repair yet." in text


def test_the_evidence_of_a_failed_device_stays_when_its_finding_has_ended() -> None:
    node = make.ready_backend(1)
    (device,) = node.devices.all()
    report(device, ReportedFact("XID", 79, 1, "fell off"))
    report(device)
    assert [one.evidence for one in page(node).context["sick"]] == ["XID 79 (1): fell off"]


def test_a_node_with_many_sick_devices_names_some_and_counts_the_others() -> None:
    node = make.ready_backend(MOST + 2)
    for device in node.devices.all():
        report(device, ReportedFact("XID", 79, 1))
    answer = page(node)
    assert (len(answer.context["sick"]), answer.context["more_sick"]) == (MOST, 2)
    assert "and 2 more" in text_of(answer)


def test_repairs_stand_above_the_tables() -> None:
    node = make.ready_backend(2)
    report(node.devices.get(index=1), ReportedFact("XID", 79, 1, "fell off"))
    look()
    (shown,) = page(node).context["repairs"]
    assert (shown.text, shown.reason) == ("01: XID 79 fell off", "no remedy is allowed that has not been tried")
    device = Device.objects.get(backend=node, index=1)
    of_device = client_of(Role.GENERAL).get(address(Device, "change", device.pk))
    assert f"#{Repair.objects.get().pk}" in of_device.content.decode()
    assert f"{node.name}/01" in of_device.content.decode()


def test_many_custom_fields_do_not_move_what_stands_below_them() -> None:
    text = text_of(page(make.backend(0)))
    assert '<dl class="mc-parts mc-bounded" tabindex="0" aria-label="Inventory">' in text


def test_the_list_of_nodes_marks_failed_and_suspect_devices() -> None:
    sick, _well = make.ready_backend(3), make.ready_backend(1)
    first, second, third = sick.devices.all()
    for device, code in ((first, "LOST"), (second, "LOST"), (third, "THERMAL_SLOWDOWN")):
        report(device, ReportedFact(code, 0, 1))
    text = text_of(client_of(Role.READ_ONLY).get(address(Backend, "changelist")))
    assert (text.count(">2 failed<"), text.count(">1 suspect<"), text.count(" suspect<")) == (1, 1, 1)
