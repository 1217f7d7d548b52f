"""Two clients writing the same thing at once, on a real database: one wins, the other is told, nothing is half-done."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from backends.choices import DEFAULT_GROUP
from backends.models import Backend, BackendGroup, Device, PowerAction
from backends.services.groups import create_backend_group
from events.models import Event
from scheduler.choices import LIVE, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from sda.services.models import create_sda_model_group
from tests import make
from tests.api import V2
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = pytest.mark.django_db(transaction=True)
Call = tuple[str, str, dict[str, Any]]
Outcome = tuple[int, str]
WON: Outcome = (200, "SUCCESS")


def at_once(*calls: Call | Callable[[], object]) -> list[Outcome]:
    """Send all requests at the same moment, each from a client of its own; return status and code of each answer."""
    operator, start = make.operator(), Barrier(len(calls))

    def run(call: Call | Callable[[], object]) -> Outcome:
        api = APIClient(raise_request_exception=False)
        api.force_authenticate(operator)
        start.wait(10)
        try:
            if callable(call):
                call()
                return WON
            method, address, data = call
            answer = getattr(api, method)(f"{V2}/{address}", data)
            return answer.status_code, answer.json()["code"]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def recorded(action: str) -> int:
    return Event.objects.filter(action=action).count()


# sentence: (address, parameters, table, event, what the others are told)
SAME_NAME: dict[str, tuple[str, dict[str, Any], Any, str]] = {
    "a backend group": ("backend/group", {"label": "same"}, BackendGroup, "CREATE_BACKEND_GROUP"),
    "an SDA model": ("sdamodel", {"name": "same", "numDevices": 1}, SdaModel, "CREATE_SDAMODEL"),
    "an SDA model group": ("sdamodel/group", {"label": "same"}, SdaModelGroup, "CREATE_SDAMODEL_GROUP"),
    "a user group": ("token/group", {"label": "same"}, TokenGroup, "CREATE_USER_GROUP"),
    "a backend": (
        "backend",
        {"label": "same", "group": DEFAULT_GROUP, "workerip": "10.0.0.1", "node": "10.1.0.1"},
        Backend,
        "CREATE_BACKEND",
    ),
}


@pytest.mark.parametrize("case", SAME_NAME)
def test_one_name_is_given_once_to(case: str) -> None:
    address, asked, table, action = SAME_NAME[case]
    told = at_once(*[("post", address, asked)] * 6)
    assert Counter(told) == {WON: 1, (409, "DUPLICATE"): 5}
    assert (table.objects.filter(name="same").count(), recorded(action)) == (1, 1)


RENAMES: dict[str, tuple[str, Callable[[str], Any], Any]] = {
    "backend groups": ("backend/group", lambda name: create_backend_group(name=name, actor=make.ACTOR), BackendGroup),
    "user groups": ("token/group", lambda name: create_token_group(name=name, actor=make.ACTOR), TokenGroup),
}


@pytest.mark.parametrize("case", RENAMES)
def test_two_get_one_new_name_among(case: str) -> None:
    address, create, table = RENAMES[case]
    groups = [create(f"old {number}") for number in range(4)]
    told = at_once(*[("put", address, {"id": group.pk, "label": "new"}) for group in groups])
    assert Counter(told) == {WON: 1, (409, "DUPLICATE"): 3}
    assert table.objects.filter(name="new").count() == 1
    assert table.objects.filter(name__startswith="old").count() == 3


DELETIONS: dict[str, tuple[Callable[[], tuple[str, dict[str, Any]]], str]] = {
    "a token": (lambda: ("token", {"token": make.token().value}), "DELETE_TOKEN"),
    "an SDA": (lambda: _of_sda(make.sda()), "DELETE_SDA"),
    "an SDA model": (lambda: ("sdamodel", {"sdamodel": make.sda_model().pk}), "DELETE_SDAMODEL"),
    "a backend": (lambda: ("backend", {"id": make.backend(1).pk}), "DELETE_BACKEND"),
    "a backend group": (
        lambda: ("backend/group", {"id": create_backend_group(name="gone", actor=make.ACTOR).pk}),
        "DELETE_BACKEND_GROUP",
    ),
    "a user group": (
        lambda: ("token/group", {"id": create_token_group(name="gone", actor=make.ACTOR).pk}),
        "DELETE_USER_GROUP",
    ),
}


def _of_sda(sda: Sda) -> tuple[str, dict[str, Any]]:
    return "sda", {"token": sda.token.value, "sdaId": sda.pk}


@pytest.mark.parametrize("case", DELETIONS)
def test_one_deletes(case: str) -> None:
    prepare, action = DELETIONS[case]
    address, asked = prepare()
    told = Counter(at_once(*[("delete", address, asked)] * 4))
    assert told.pop(WON) == 1
    assert set(told) <= {(404, "NOT_FOUND"), (409, "CONFLICT")}, told
    assert recorded(action) == 1


def test_a_token_gets_as_many_sdas_as_it_may_own() -> None:
    token, model = make.token(max_sda_count=2), make.sda_model()
    asked = {"model": model.pk, "token": token.value, "desc": "", "reserved": False}
    told = at_once(*[("post", "sda", asked)] * 6)
    assert Counter(told) == {WON: 2, (409, "MAX_SDA_REACHED"): 4}
    assert sorted(Sda.objects.live().filter(token=token).values_list("current", flat=True)) == [False, True]


@pytest.mark.parametrize("turn", range(3))
def test_a_token_that_is_deleted_gets_no_sda(turn: int) -> None:
    token, model = make.token(), make.sda_model()
    made, gone = at_once(
        ("post", "sda", {"model": model.pk, "token": token.value, "desc": "", "reserved": False}),
        ("delete", "token", {"token": token.value}),
    )
    assert (made == WON) != (gone == WON), (made, gone)
    assert made[0] in (200, 404, 409)
    assert gone in (WON, (409, "TOKEN_HAS_SDA"))
    assert Sda.objects.live().count() == Token.objects.live().count() == int(made == WON)


@pytest.mark.parametrize("turn", range(3))
def test_a_model_that_is_deleted_is_given_to_nobody(turn: int) -> None:
    token, model = make.token(), make.sda_model()
    made, gone = at_once(
        ("post", "sda", {"model": model.pk, "token": token.value, "desc": "", "reserved": False}),
        ("delete", "sdamodel", {"sdamodel": model.pk}),
    )
    assert (made == WON) != (gone == WON), (made, gone)
    assert made[0] in (200, 403, 404, 409)
    assert gone in (WON, (409, "MODEL_IN_USE"))
    assert Sda.objects.live().count() == SdaModel.objects.live().count() == int(made == WON)


def test_a_backend_of_the_default_group_goes_into_one_group() -> None:
    node = make.backend(1)
    groups = [create_backend_group(name=f"group {n}", actor=make.ACTOR) for n in range(4)]
    told = at_once(*[("post", "backend/grouping", {"group": group.pk, "backend": node.pk}) for group in groups])
    assert Counter(told) == {WON: 1, (409, "CONFLICT"): 3}
    assert Backend.objects.get().group_id == groups[told.index(WON)].pk


@pytest.mark.parametrize("turn", range(3))
def test_a_backend_does_not_go_into_a_group_that_is_deleted(turn: int) -> None:
    node, group = make.backend(1), create_backend_group(name="group", actor=make.ACTOR)
    moved, gone = at_once(
        ("post", "backend/grouping", {"group": group.pk, "backend": node.pk}),
        ("delete", "backend/group", {"id": group.pk}),
    )
    assert (moved == WON) != (gone == WON), (moved, gone)
    assert Backend.objects.get().group_id == (group.pk if moved == WON else DEFAULT_GROUP)
    assert BackendGroup.objects.live().filter(pk=group.pk).exists() == (moved == WON)


def _token_grouping() -> tuple[str, dict[str, Any], Callable[[], int]]:
    token, group = make.token(), create_token_group(name="team", actor=make.ACTOR)
    return "token/grouping", {"group": group.pk, "token": token.value}, group.tokens.count


def _model_grouping() -> tuple[str, dict[str, Any], Callable[[], int]]:
    model, group = make.sda_model(), _model_group()
    return "sdamodel/grouping", {"group": group.pk, "sdamodel": model.pk}, group.sda_models.count


def _membership() -> tuple[str, dict[str, Any], Callable[[], int]]:
    team, group = create_token_group(name="team", actor=make.ACTOR), _model_group()
    return "membership", {"parentId": team.pk, "childId": group.pk}, Membership.objects.count


def _model_group() -> SdaModelGroup:
    return create_sda_model_group(name="models", backend_group=make.default_group(), actor=make.ACTOR)


GROUPINGS: dict[str, Callable[[], tuple[str, dict[str, Any], Callable[[], int]]]] = {
    "a token into a group": _token_grouping,
    "a model into a group": _model_grouping,
    "a membership": _membership,
}


@pytest.mark.parametrize("case", GROUPINGS)
def test_is_put_in_once_and_taken_out_once(case: str) -> None:
    address, asked, count = GROUPINGS[case]()
    put = at_once(*[("post", address, asked)] * 4)
    assert set(put) <= {WON, (409, "DUPLICATE"), (409, "CONFLICT")}, put
    assert (WON in put, count()) == (True, 1)
    taken = at_once(*[("delete", address, asked)] * 4)
    assert set(taken) <= {WON, (404, "NOT_FOUND"), (409, "CONFLICT")}, taken
    assert (WON in taken, count()) == (True, 0)


def test_one_power_action_is_under_way() -> None:
    node = make.backend(0)
    told = at_once(*[("put", "backend", {"id": node.pk, "command": "cycle"})] * 6)
    assert Counter(told) == {(202, "SUCCESS"): 1, (409, "ACTION_UNDER_WAY"): 5}
    assert PowerAction.objects.count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_a_priority_changes_while_the_job_starts_or_not_at_all(turn: int) -> None:
    make.ready_backend(1)
    job = make.job()
    told, _ticked = at_once(("put", "scheduler/queue", {"id": job.pk, "priority": 9}), lambda: tick(0))
    job.refresh_from_db()
    assert told in (WON, (409, "JOB_NOT_WAITING"))
    assert (job.status, job.priority) == (JobStatus.SUBMITTED, 9 if told == WON else 0)
    assert recorded("SET_JOB_PRIORITY") == int(told == WON)
    assert Allocation.objects.count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_a_job_is_canceled_once_also_while_it_starts(turn: int) -> None:
    make.ready_backend(1)
    job = make.job()
    *told, _ticked = at_once(*[("delete", "scheduler/queue", {"id": job.pk})] * 3, lambda: tick(0))
    assert Counter(told) == {WON: 1, (409, "JOB_FINISHED"): 2}
    assert (Job.objects.get().status, recorded("CANCELED_JOB")) == (JobStatus.CANCELED, 1)
    assert Allocation.objects.filter(ended_at=None).count() == 0
    assert reconcile() == []


@pytest.mark.parametrize("turn", range(3))
def test_a_job_and_the_end_of_its_sda(turn: int) -> None:
    sda = make.sda()
    gone, _made = at_once(("delete", *_of_sda(sda)), lambda: _submitted(sda))
    live = Job.objects.filter(status__in=LIVE).count()
    assert gone in (WON, (409, "SDA_IN_USE"))
    assert (Sda.objects.live().count(), live) == ((0, 0) if gone == WON else (1, 1))


def _submitted(sda: Sda) -> None:
    from core.errors import DomainError

    try:
        make.job(sda)
    except DomainError:
        return


@pytest.mark.parametrize("turn", range(3))
def test_a_backend_is_deleted_or_holds_a_job(turn: int) -> None:
    node = make.ready_backend(1)
    make.job()
    gone, _ticked = at_once(("delete", "backend", {"id": node.pk}), lambda: tick(0))
    held = Allocation.objects.filter(ended_at=None).count()
    assert (gone, held) in ((WON, 0), ((409, "DEVICE_IN_USE"), 1), ((409, "BACKEND_IN_USE"), 1))
    assert Backend.objects.live().count() == held
    assert Device.objects.filter(status="PREPARING").count() == held
