"""The page of a node: its state, devices, jobs, power actions under way, history, and permissions."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import Role
from alerts.choices import Category, Level
from alerts.codes import Code, category_of
from alerts.services import clear_alert, raise_alert
from alerts.subjects import node as node_subject
from backends.choices import ActionState, PowerVerb
from backends.models import Agent, Backend, Bmc, Telemetry
from backends.services.power import end_action, lease_action, record_sent, request_power
from core.clock import db_now
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
LIVE_PART = {"X-Live-Part": "node-now"}


def page(node: Backend, role: Role = Role.GENERAL, **headers: str) -> Any:
    return client_of(role).get(address(Backend, "change", node.pk), headers=headers)


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def titles(answer: Any) -> list[str]:
    return [str(table.title) for table in (*answer.context["now"], *answer.context["later"])]


def steps(node: Backend) -> list[tuple[str, bool]]:
    found = page(node).context["steps"]
    return [(str(step.text), step.done) for step in found["steps"]] if found else []


def test_the_page_shows_host_devices_jobs_and_alerts() -> None:
    node = make.ready_backend(2, name="gpu-1", description="rack 7")
    Agent.objects.filter(pk=node.pk).update(cpu=12, used_memory=131_072, total_memory=524_288)
    Bmc.objects.filter(pk=node.pk).update(status="off", target="on", error="BMC_TIMEOUT", weak=True)
    for device, degrees in zip(node.devices.all(), (60, 70), strict=True):
        Telemetry.objects.create(device=device, temperature=degrees, utilization=50, memory_utilization=20, at=db_now())
    job = make.running_job(node)
    raise_alert(Code.CHECK_FAILED, node_subject(node.pk), node="gpu-1", error="ECC")
    raise_alert(Code.NODE_LOST, node_subject(node.pk), node="gpu-1")
    clear_alert(Category.NODE_LOST, node_subject(node.pk))
    answer = page(node)
    text = text_of(answer)
    for words in (
        "128 / 512 GiB (25 %)",
        "rack 7",
        "BMC_TIMEOUT",
        "accepts commands without a password",
    ):
        assert words in text, words
    assert "off <small>→ on (wished)</small>" in text
    values = answer.context["values"]
    assert {name: values[name] for name in ("cpu", "gpu", "memory", "hottest", "mean_heat")} == {
        "cpu": 12, "gpu": 50, "memory": 20, "hottest": 70, "mean_heat": 65,
    }  # fmt: skip
    assert [alert.text for alert in answer.context["open_alerts"]] == ["gpu-1: health check failed: ECC"]
    assert titles(answer) == ["Each device", "Running jobs", "Alerts", "Events"]
    jobs = answer.context["now"][1].rows
    assert [f"#{job.pk}" in str(row[0]) and row[3:5] == ("00", 1) for row in jobs] == [True]


def test_all_alerts_of_a_node_are_those_of_no_other() -> None:
    node = make.backend(0)
    for number in (f"{node.pk}", f"{node.pk}0", f"1{node.pk}"):
        raise_alert(Code.CHECK_FAILED, node_subject(int(number)), node=node.name, error=f"backend/{node.pk}")
    (alerts,) = [table for table in page(node).context["later"] if table.title == "Alerts"]
    shown = client_of(Role.READ_ONLY).get(alerts.more).context["cl"].result_list
    assert [str(alert.subject) for alert in shown] == [f"backend/{node.pk}"]


def test_alerts_that_are_open_are_shown_however_many_came_and_went_since() -> None:
    node = make.backend(0)
    about = node_subject(node.pk)
    raise_alert(Code.NODE_LOST, about, level=Level.CRITICAL, node=node.name)
    for _ in range(11):
        raise_alert(Code.CHECK_FAILED, about, node=node.name, error="ECC")
        clear_alert(Category.GPU_ERROR, about)
    answer = page(node)
    assert [alert.category for alert in answer.context["open_alerts"]] == ["NODE_LOST"]
    (alerts,) = [table for table in answer.context["later"] if table.title == "Alerts"]
    assert len(alerts.rows) == 10
    text = text_of(answer)
    assert f'href="/admin/alerts/alert/?subject=backend/{node.pk}&amp;state=open">All of them</a>' in text
    assert '<dd class="mc-alerts mc-level-critical">critical</dd>' in text


def test_a_new_node_has_no_empty_tables() -> None:
    answer = page(make.backend(0))
    text = text_of(answer)
    assert titles(answer) == ["Events"]
    for words in ("Its agent has not reported yet", "No devices", "Nothing needs attention."):
        assert words in text, words
    assert answer.context["values"]["hottest"] is None


def test_the_page_of_a_node_without_a_bmc_shows_that() -> None:
    text = text_of(page(make.backend(0, bmc_ip=None)))
    assert "no BMC" in text
    assert "Its power can be switched once the address of its BMC is set below." in text
    assert "Last reading" not in text


def test_a_power_action_under_way_shows_how_far_it_is() -> None:
    node = make.backend()
    assert steps(node) == []
    action = request_power(node, PowerVerb.CYCLE, actor=make.ACTOR)
    params = ("asked for by operator-1", True)
    assert steps(node) == [
        params, ("taken by a worker, attempt 1", False), ("sent to the BMC: …", False), ("confirmed", False),
    ]  # fmt: skip
    lease = lease_action(action.pk)
    assert lease
    record_sent(lease, PowerVerb.OFF)
    record_sent(lease, PowerVerb.ON)
    taken = ("taken by a worker, attempt 1", True)
    assert steps(node) == [params, taken, ("sent to the BMC: power off, power on", True), ("confirmed", False)]
    end_action(lease, ActionState.SUCCEEDED)
    assert steps(node) == []
    assert titles(page(node)) == ["Each device", "Power actions", "Events"]


def test_a_status_action_has_no_step_that_sends() -> None:
    node = make.backend()
    request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    assert [step for step, _done in steps(node)] == [
        "asked for by operator-1", "taken by a worker, attempt 1", "confirmed",
    ]  # fmt: skip


@pytest.mark.parametrize("role", Role)
def test_the_form_is_folded_and_only_for_who_may_change_the_node(role: Role) -> None:
    text = text_of(page(make.backend(), role))
    may = role != Role.READ_ONLY
    assert ('name="_save"' in text, 'name="bmc_ip"' in text, "Change the node" in text) == (may,) * 3
    assert ("power_off/" in text, "Data of the node" in text) == (may, not may)
    assert '<details class="mc-card mc-fold" >' in text


def test_the_form_opens_when_something_is_wrong_with_it() -> None:
    node = make.backend()
    answer = client_of(Role.GENERAL).post(address(Backend, "change", node.pk), {"name": ""})
    assert '<details class="mc-card mc-fold" open>' in text_of(answer)


def test_a_live_page_gets_only_the_part_that_it_refreshes() -> None:
    node = make.backend(name="gpu-1")
    text = text_of(page(node, Role.GENERAL, **LIVE_PART))
    assert text.startswith('<div id="node-now"')
    assert "<html" not in text


def test_no_more_queries_for_more_devices_jobs_and_alerts() -> None:
    browser = client_of(Role.MASTER)

    def queries(node: Backend) -> int:
        with CaptureQueriesContext(connection) as seen:
            browser.get(address(Backend, "change", node.pk))
        return len(seen)

    small = make.ready_backend(2)
    make.running_job(small)
    few = queries(small)
    large = make.ready_backend(16)
    for _ in range(8):
        make.running_job(large)
    for code in {category_of(code): code for code in Code if code != Code.LEGACY}.values():
        raise_alert(code, node_subject(large.pk))
    assert queries(large) == few == 23


def test_the_page_is_translated_to_korean() -> None:
    text = text_of(page(make.ready_backend(1), Role.GENERAL, **{"accept-language": "ko"}))
    for words in ("노드 변경", "이 페이지를 연 이후", "디바이스별", "마지막 보고"):
        assert words in text, words
    assert "Since this page was opened" not in text
