"""Verdicts with their evidence on pages, in files and in REST; checks on request."""

import csv
from typing import Any

import pytest

from accounts.choices import Role
from backends.choices import OrderVerb
from backends.health.findings import REPORTED
from backends.models import Backend, Device
from backends.services.cards import CardIdentity, KnownCard, exchange_cards, store_cards
from backends.services.findings import ReportedFact
from scheduler.services import health
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, client, done, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]

FACTS = [ReportedFact("XID", 79, 2, "Bus error"), ReportedFact("THERMAL_SLOWDOWN")]


@pytest.fixture
def node() -> Backend:
    """Return a node whose device 1 has failed, and whose device 0 had another card before."""
    found = make.ready_backend(2, name="gpu-1")
    first, second = found.devices.order_by("index")
    health.store_findings({second.pk: FACTS}, codes=REPORTED)
    store_cards({(found.pk, 0): CardIdentity("GPU-1", "41")}, {(found.pk, 0): KnownCard(first.pk, CardIdentity())})
    known = {(found.pk, 0): KnownCard(first.pk, CardIdentity("GPU-1", "41"))}
    exchange_cards({(found.pk, 0): CardIdentity("GPU-2", "42")}, known, {first.pk: "MI250"})
    return found


def cells(answer: Any, title: str) -> list[list[str]]:
    """Return the texts of a table of a page."""
    (table,) = (table for table in (*answer.context["now"], *answer.context["later"]) if str(table.title) == title)
    return [[str(cell) for cell in row] for row in table.rows]


PAGES = {
    "en": ("Findings", "The GPU has fallen off the bus. Check its seat, power and cooling.", "failed"),
    "ko": ("발견 사항", "GPU가 버스에서 분리되었습니다. 장착 상태, 전원, 냉각을 확인하세요.", "고장"),
}


@pytest.mark.parametrize("language", PAGES)
def test_the_page_of_a_node_shows_verdicts_with_their_evidence(node: Backend, language: str) -> None:
    title, meaning, verdict = PAGES[language]
    url = address(Backend, "change", node.pk)
    answer = client_of(Role.GENERAL).get(url, headers={"Accept-Language": language})
    hot, lost = sorted(cells(answer, title), key=lambda row: row[2])
    assert (hot[2], lost[2:6]) == ("THERMAL_SLOWDOWN", ["XID 79", meaning, "Bus error", "2"])
    assert verdict in answer.content.decode()


def test_rest_lists_findings_and_former_cards(node: Backend) -> None:
    api = client()
    both = api.get(f"{V2}/backend/device/findings", {"backend": str(node.pk), "holds": "true"}).json()
    assert [(one["code"], one["number"], one["count"], one["evidence"]) for one in both] == [
        ("THERMAL_SLOWDOWN", 0, 0, ""),
        ("XID", 79, 2, "Bus error"),
    ]
    assert (both[1]["severity"], both[1]["leadsTo"], both[1]["deviceName"]) == ("CRITICAL", "FAILED", "gpu-1/01")
    assert both[1]["meaning"] == "The GPU has fallen off the bus. Check its seat, power and cooling."
    (old,) = api.get(f"{V2}/backend/device/formercards", {"backend": node.pk}).json()
    assert (old["uuid"], old["serial"], old["model"], old["device"]) == ("GPU-1", "41", "MI250", 0)
    (shown,) = api.get(f"{V2}/backend", {"id": node.pk}).json()
    assert [device["verdict"] for device in shown["devices"]] == ["HEALTHY", "FAILED"]
    assert [device["uuid"] for device in shown["devices"]] == ["GPU-2", ""]


def test_files_hold_verdicts_and_their_evidence(node: Backend) -> None:
    findings = client().get(f"{V2}/backend/device/findings", {"code": "XID"}, headers={"Accept": "text/csv"})
    header, row = csv.reader(findings.getvalue().decode("utf-8-sig").splitlines())
    found = dict(zip(header, row, strict=True))
    assert (found["deviceName"], found["number"], found["evidence"]) == ("gpu-1/01", "79", "Bus error")
    answer = client_of(Role.GENERAL).get(f"{address(Device, 'changelist')}export.csv")
    names, *rows = csv.reader(answer.getvalue().decode("utf-8-sig").splitlines())
    devices = [dict(zip(names, one, strict=True)) for one in rows]
    assert [(one["verdict"], one["findings"], one["serial"]) for one in devices] == [
        ("HEALTHY", "", "42"),
        ("FAILED", "XID 79 (2): Bus error; THERMAL_SLOWDOWN", ""),
    ]


def test_a_device_is_checked_on_request_once_at_a_time(node: Backend) -> None:
    api = client(Role.MASTER)
    given = {"id": node.pk, "device": 1}
    assert done(api.put(f"{V2}/backend/device/check", given)) == {"ordered": True}
    assert done(api.put(f"{V2}/backend/device/check", given)) == {"ordered": False}
    assert done(api.put(f"{V2}/backend/device/check", {"id": node.pk, "device": 0})) == {"ordered": True}
    orders = make.orders(node).filter(verb=OrderVerb.CHECK).order_by("created_at")
    assert list(orders.values_list("devices", flat=True)) == [[1], [0]]
    assert refused(api.put(f"{V2}/backend/device/check", {"id": node.pk, "device": 7}))[:2] == (404, "NOT_FOUND")
    assert refused(api.put(f"{V2}/backend/device/check", {"id": node.pk, "device": 32}))[2] == ["device"]
    assert orders.count() == 2
