"""Power in REST."""

from threading import Thread

import pytest
from django.db import connection
from rest_framework.test import APIClient

from alerts.models import Alert
from backends.choices import POWER_CAUSES, ActionState, PowerStatus, PowerVerb
from backends.errors import ActionUnderWay
from backends.models import Bmc, PowerAction
from backends.power.errors import ERRORS
from backends.queries import BmcCounts, bmc_counts, bmcs_to_check, bmcs_to_probe, has_bmcs
from backends.services.nodes import update_backend
from backends.services.power import end_action, lease_action, request_power
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from tests import make
from tests.api import V2, client, done, events, refused
from tests.transitions import unchecked

URL = f"{V2}/backend"


@pytest.fixture
def api() -> APIClient:
    return client()


@pytest.mark.django_db
def test_a_power_command_is_under_way_and_the_only_one(api: APIClient) -> None:
    node = make.backend(0)
    result = done(api.put(URL, {"id": node.pk, "command": "ON", "user": "u", "pwd": "s3cret"}), 202)
    action = PowerAction.objects.get()
    assert result == {"id": action.pk, "command": "on", "state": "QUEUED", "waitsFor": "WORKER", "waitsUntil": None}
    assert (action.user, action.password, action.actor.partition("-")[0]) == ("u", "s3cret", "general")
    assert refused(api.put(URL, {"id": node.pk, "command": "off"})) == (409, "ACTION_UNDER_WAY", ["id"])
    assert "s3cret" not in str(events("POWER"))
    assert api.get(URL).json()[0]["ipmi"]["target"] == 1


@pytest.mark.django_db
def test_power_that_would_end_jobs_needs_force(api: APIClient) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    assert refused(api.put(URL, {"id": node.pk, "command": "reset"})) == (409, "BACKEND_IN_USE", ["command", "id"])
    assert done(api.put(URL, {"id": node.pk, "command": "reset", "force": True}), 202)["command"] == "reset"


@pytest.mark.django_db
def test_a_bmc_is_reconnected_by_its_address(api: APIClient) -> None:
    node = make.backend(0, bmc_ip="10.7.7.7")
    assert done(api.put(f"{URL}?command=reconnect&node=10.7.7.7"), 202)["command"] == "reconnect"
    assert PowerAction.objects.get().backend_id == node.pk


@pytest.mark.django_db
def test_a_node_without_a_bmc_has_no_readings_and_no_power_actions(api: APIClient) -> None:
    node = make.backend(0, bmc_ip=None)
    assert api.get(URL).json()[0]["ipmi"] == {
        "ip": "",
        "driver": "ipmi",
        "status": -1,
        "target": None,
        "checkedAt": None,
    }
    assert refused(api.put(URL, {"id": node.pk, "command": "on"})) == (409, "CONFLICT", ["id"])
    assert (list(bmcs_to_check(db_now())), bmcs_to_probe(9), has_bmcs()) == ([], [], False)
    assert bmc_counts() == BmcCounts(on=0, off=0, unreachable=0, driver_lost=False, latest=None)
    done(api.put(URL, {"id": node.pk, "command": "update", "node": "10.7.7.7", "user": "u", "pwd": "p"}))
    assert (has_bmcs(), done(api.put(URL, {"id": node.pk, "command": "on"}), 202)["command"]) == (True, "on")


@pytest.mark.django_db
def test_removing_a_bmc_deletes_its_login_and_alerts() -> None:
    node = make.backend(0, bmc_ip="10.7.7.7", bmc_user="u", bmc_password="p")
    for _ in range(2):
        store_power_readings({node.pk: PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT")}, at=db_now())
    action = request_power(node, PowerVerb.ON, actor=make.ACTOR)
    with pytest.raises(ActionUnderWay):
        update_backend(node, actor=make.ACTOR, bmc={"ip": ""})
    with unchecked():
        PowerAction.objects.filter(pk=action.pk).update(state=ActionState.SUCCEEDED, ended_at=db_now())
    update_backend(node, actor=make.ACTOR, bmc={"ip": ""})
    bmc = Bmc.objects.get(pk=node.pk)
    assert (bmc.ip, bmc.user, bmc.password, bmc.error, bmc.checked_at) == (None, "", "", "", None)
    assert Alert.objects.get(category="BMC_UNREACHABLE").cleared_at is not None
    # The BMC was asked before it was removed.
    store_power_readings({node.pk: PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT")}, at=db_now())
    bmc.refresh_from_db()
    assert (bmc.error, Alert.objects.filter(cleared_at=None).count()) == ("", 0)


ENDS = {
    "success is 200": (ActionState.SUCCEEDED, 200, "SUCCESS"),
    "failure is 502": (ActionState.FAILED, 502, "IPMI_ERROR"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", ENDS)
def test_the_response_after_waiting_has_the_end_of_the_action(api: APIClient, case: str) -> None:
    state, status, code = ENDS[case]
    node = make.backend(0)
    worker = Thread(target=_end, args=[state])
    worker.start()
    answer = api.put(URL, {"id": node.pk, "command": "status", "wait": 10}, headers={"Accept-Language": "ko"})
    worker.join()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    found = {
        "id": PowerAction.objects.get().pk,
        "command": "status",
        "state": state,
        "waitsFor": None,
        "waitsUntil": None,
    }
    if status == 200:
        assert answer.json()["result"] == found
    else:
        assert answer.json()["message"] == "BMC가 사용자 또는 비밀번호를 거부했습니다."
        assert answer.json()["details"] == {**found, "cause": "WRONG_LOGIN", "detail": "no"}


def test_every_error_of_a_driver_has_a_translated_text() -> None:
    assert set(POWER_CAUSES) == {*ERRORS, "UNKNOWN", "NOT_DRAINED"}


def _end(state: ActionState) -> None:
    make.wait_for(PowerAction.objects.exists)
    lease = lease_action(PowerAction.objects.values_list("pk", flat=True).get())
    assert lease
    end_action(lease, state, code="" if state == ActionState.SUCCEEDED else "WRONG_LOGIN", message="no")
    connection.close()
