from threading import Thread

import pytest
from django.db import connection
from rest_framework.test import APIClient

from backends.choices import POWER_CAUSES, ActionState
from backends.models import PowerAction
from backends.power.driver import ERRORS
from backends.services.power import claim_action, end_action
from tests import make
from tests.api import V2, client, done, events, refused

URL = f"{V2}/backend"


@pytest.fixture
def api() -> APIClient:
    return client()


@pytest.mark.django_db
def test_a_power_command_is_under_way_and_the_only_one(api: APIClient) -> None:
    node = make.backend(0)
    result = done(api.put(URL, {"id": node.pk, "command": "ON", "user": "u", "pwd": "s3cret"}), 202)
    action = PowerAction.objects.get()
    assert result == {"id": action.pk, "command": "on", "state": "QUEUED"}
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


ENDS = {
    "success is 200": (ActionState.SUCCEEDED, 200, "SUCCESS"),
    "failure is 502": (ActionState.FAILED, 502, "IPMI_ERROR"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", ENDS)
def test_waiting_tells_how_it_ended(api: APIClient, case: str) -> None:
    state, status, code = ENDS[case]
    node = make.backend(0)
    worker = Thread(target=_end, args=[state])
    worker.start()
    answer = api.put(URL, {"id": node.pk, "command": "status", "wait": 10}, headers={"Accept-Language": "ko"})
    worker.join()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    told = {"id": PowerAction.objects.get().pk, "command": "status", "state": state}
    if status == 200:
        assert answer.json()["result"] == told
    else:
        assert answer.json()["message"] == "BMC가 사용자 또는 비밀번호를 거부했습니다."
        assert answer.json()["details"] == {**told, "cause": "WRONG_LOGIN", "detail": "no"}


def test_every_failure_of_a_driver_is_told_in_words() -> None:
    assert set(POWER_CAUSES) == {*ERRORS, "UNKNOWN"}


def _end(state: ActionState) -> None:
    make.wait_for(PowerAction.objects.exists)
    claim = claim_action(PowerAction.objects.values_list("pk", flat=True).get())
    assert claim
    end_action(claim, state, code="" if state == ActionState.SUCCEEDED else "WRONG_LOGIN", message="no")
    connection.close()
