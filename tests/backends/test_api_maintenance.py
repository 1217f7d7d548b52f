"""Maintenance windows in REST and in the admin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.choices import Role
from backends.choices import MaintenanceState
from backends.models import Backend, MaintenanceWindow
from backends.services.nodes import update_backend
from core.api.times import iso
from core.clock import db_now
from scheduler import work
from scheduler.services.nodes import delete_backend
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, client, done, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
URL = f"{V2}/backend/maintenance"
HOUR = timedelta(hours=1)


@pytest.fixture
def api() -> APIClient:
    return client()


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def given(**changes: Any) -> dict[str, Any]:
    start = db_now().replace(microsecond=0) + HOUR
    return {"from": iso(start), "to": iso(start + HOUR), "reason": "fans", **changes}


def test_a_window_is_planned_changed_listed_and_canceled(api: APIClient) -> None:
    one, two = make.ready_backend(1), make.ready_backend(1)
    wanted = given(backends=[one.pk], names=[one.name, two.name])
    made = done(api.post(URL, wanted, format="json"))
    nodes = [{"id": node.pk, "name": node.name, "drained": False, "leftAt": None} for node in (one, two)]
    assert made == {
        "id": made["id"],
        "from": wanted["from"],
        "to": wanted["to"],
        "state": "SCHEDULED",
        "reason": "fans",
        "createdBy": made["createdBy"],
        "createdAt": made["createdAt"],
        "beganAt": None,
        "endedAt": None,
        "backendCount": 2,
        "backends": sorted(nodes, key=lambda node: str(node["name"])),
    }
    changed = done(api.put(URL, {"id": made["id"], "reason": "disks"}, format="json"))
    assert (changed["reason"], changed["to"]) == ("disks", wanted["to"])
    (listed,) = api.get(URL, {"backend": one.pk, "state": "scheduled,active", "from": wanted["from"]}).json()
    assert (listed["id"], "backends" in listed) == (made["id"], False)
    assert "backends" in api.get(URL, {"expand": "backends"}).json()[0]
    assert api.get(URL, {"state": "over"}).json() == api.get(URL, {"to": wanted["from"]}).json() == []
    assert done(api.delete(URL, {"id": made["id"]}, format="json"))["state"] == "CANCELED"
    assert refused(api.delete(URL, {"id": made["id"]}, format="json")) == (409, "CONFLICT", ["id"])


def test_the_same_key_plans_once_and_a_group_is_chosen_whole(api: APIClient) -> None:
    make.ready_backend(1)
    make.ready_backend(1)
    wanted = given(group=0)
    answers = [api.post(URL, wanted, format="json", HTTP_IDEMPOTENCY_KEY="once").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["result"]["backendCount"] == 2
    assert MaintenanceWindow.objects.count() == 1


def test_nodes_are_chosen_by_tag_and_by_rack_too(api: APIClient) -> None:
    tagged, both, racked, _other, gone = (make.backend(1) for _ in range(5))
    for node in (tagged, both, gone):
        update_backend(node, tags=["Blue"], actor=make.ACTOR)
    for node in (both, racked):
        update_backend(node, rack="A1", actor=make.ACTOR)
    delete_backend(gone, actor=make.ACTOR)
    made = done(api.post(URL, given(tags=["blue"], racks=["A1"]), format="json"))
    assert [node["id"] for node in made["backends"]] == [tagged.pk, both.pk, racked.pk]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"names": ["nobody"]}, (404, "NOT_FOUND", ["names"])),
        ({"backends": [999]}, (404, "NOT_FOUND", ["backends"])),
        ({"tags": ["Nothing"]}, (404, "NOT_FOUND", ["tags"])),
        ({"racks": ["a1", "B2"]}, (404, "NOT_FOUND", ["racks"])),
        ({"names": [], "tags": []}, (400, "INVALID_PARAMETER", ["backends"])),
        ({}, (400, "INVALID_PARAMETER", ["backends"])),
        ({"group": 0, "reason": ""}, (400, "INVALID_PARAMETER", ["reason"])),
        ({"group": 0, "to": "yesterday"}, (400, "INVALID_PARAMETER", ["to"])),
        ({"group": 0, "to": "2026-01-01 00:00"}, (400, "INVALID_PARAMETER", ["to"])),
        ({"group": 0, "until": "2027-01-01"}, (400, "INVALID_PARAMETER", ["until"])),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_planned(
    api: APIClient, changes: dict[str, Any], refusal: tuple[int, str, list[str]]
) -> None:
    make.backend(1)
    assert refused(api.post(URL, given(**changes), format="json")) == refusal
    assert not MaintenanceWindow.objects.exists()


def test_only_operators_plan_and_everybody_sees_who_holds_the_nodes(api: APIClient) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    made = done(api.post(URL, given(group=0), format="json"))
    reader = client(Role.READ_ONLY)
    assert refused(reader.delete(URL, {"id": made["id"]}, format="json"))[:2] == (403, "FORBIDDEN")
    assert reader.get(f"{URL}/holdings", {"id": made["id"]}).json() == [
        {
            "jobId": job.pk,
            "sdaId": job.sda_id,
            "owner": job.token.description,
            "deviceCount": 1,
            "expectedEnd": None,
            "expectedEndBasis": None,
            "overlaps": True,
        }
    ]
    (shown,) = api.get(f"{V2}/scheduler/queue", {"id": job.pk}).json()
    assert shown["maintenanceFrom"] == made["from"]


def test_the_list_costs_the_same_for_any_number(api: APIClient) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            assert api.get(URL, {"expand": "backends"}).status_code == 200
        return len(counted)

    done(api.post(URL, given(backends=[make.backend(1).pk]), format="json"))
    few = queries()
    for _ in range(5):
        done(api.post(URL, given(backends=[make.backend(1).pk]), format="json"))
    assert queries() == few


def on_list(browser: Client, rows: list[Backend], **data: object) -> Any:
    ticked = {ACTION_CHECKBOX_NAME: [row.pk for row in rows], "action": "maintain", "select_across": "0"}
    return browser.post(address(Backend, "changelist"), {**ticked, **data})


def test_nodes_are_chosen_in_the_list_and_the_page_names_who_holds_them(browser: Client) -> None:
    node, other = make.ready_backend(1, name="gpu-1"), make.ready_backend(1, name="gpu-2")
    job = make.running_job(node)
    page = on_list(browser, [node, other]).content.decode()
    assert "Plan maintenance: 2 backends" in page
    assert f"#{job.pk}" in page
    assert job.token.description in page
    times = {"starts_at": "", "ends_at": f"{timezone.localtime(db_now() + HOUR):%Y-%m-%dT%H:%M}", "reason": "fans"}
    wrong = on_list(browser, [node, other], agreed="2", **{**times, "ends_at": "2026-01-01T00:00"})
    assert wrong.context["form"].errors == {"ends_at": ["This time is past."]}
    assert on_list(browser, [node, other], agreed="2", **times).status_code == 302
    window = MaintenanceWindow.objects.get()
    assert set(window.nodes.values_list("backend", flat=True)) == {node.pk, other.pk}
    again = on_list(browser, [node], agreed="1", **times).content.decode()
    assert "Another maintenance window of some of these nodes overlaps." in again
    assert MaintenanceWindow.objects.count() == 1


def test_the_page_of_a_window_changes_and_ends_it(browser: Client) -> None:
    node = make.ready_backend(1, name="gpu-1")
    on_list(
        browser, [node], agreed="1", starts_at="", reason="fans",
        ends_at=f"{timezone.localtime(db_now() + HOUR):%Y-%m-%dT%H:%M}",
    )  # fmt: skip
    work.maintain()
    window = MaintenanceWindow.objects.get()
    page = address(MaintenanceWindow, "change", window.pk)
    local = {name: f"{timezone.localtime(getattr(window, name)):%Y-%m-%dT%H:%M}" for name in ("starts_at", "ends_at")}
    later = f"{timezone.localtime(window.ends_at + HOUR):%Y-%m-%dT%H:%M}"
    assert browser.post(page, {**local, "reason": "disks", "ends_at": later}).status_code == 302
    window.refresh_from_db()
    assert (window.reason, f"{timezone.localtime(window.ends_at):%Y-%m-%dT%H:%M}") == ("disks", later)
    shown = browser.get(address(Backend, "changelist")).content.decode()
    assert "maintenance until" in shown
    assert "maintenance until" in browser.get(address(Backend, "change", node.pk)).content.decode()
    assert "maintenance until" in browser.get(reverse("console:nodes")).content.decode()
    browser.post(address(MaintenanceWindow, "end", window.pk), {"agreed": "1"})
    window.refresh_from_db()
    assert window.state == MaintenanceState.OVER
    assert browser.get(page).status_code == 200
    file = b"".join(browser.get(address(MaintenanceWindow, "export_csv")).streaming_content)  # type: ignore[attr-defined]
    assert f'{window.pk},"OVER",' in file.decode()


def test_a_window_is_named_by_its_number_and_local_times() -> None:
    seoul = timezone.get_default_timezone()
    starts = datetime(2031, 2, 3, 23, 30, tzinfo=seoul)
    window = MaintenanceWindow(pk=7, starts_at=starts.astimezone(UTC), ends_at=starts.astimezone(UTC) + HOUR)
    assert str(window) == "#7 (2031-02-03 23:30 – 2031-02-04 00:30)"  # noqa: RUF001
