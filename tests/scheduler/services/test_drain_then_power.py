"""A power action that waits for the drain of its node begins after the last job, is given up, forced or canceled."""

from datetime import timedelta
from typing import Any

import pytest

from backends.choices import ActionState, PowerVerb
from backends.errors import ActionUnderWay, NotCancelable
from backends.models import Backend, Bmc, PowerAction
from backends.services.power import DrainFirst, lease_action, request_power
from backends.services.power_waiting import cancel_power, due_for_drain, release_drained
from backends.tasks import pick_up_power
from core.clock import db_now
from core.errors import InvalidParameter
from events.models import Event
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from scheduler.services.nodes import delete_backend
from scheduler.services.power import drain_then
from tests import make

pytestmark = pytest.mark.django_db
LOGIN = {"bmc_user": "admin", "bmc_password": "secret"}


def _later(**drain: Any) -> DrainFirst:
    return DrainFirst(db_now() + timedelta(hours=1), **drain)


def _ask(node: Backend, verb: PowerVerb = PowerVerb.CYCLE, **drain: Any) -> PowerAction:
    return drain_then(node, verb, _later(**drain), actor=make.ACTOR)


def _state(action: PowerAction) -> str:
    return PowerAction.objects.get(pk=action.pk).state


def _over(action: PowerAction) -> None:
    PowerAction.objects.filter(pk=action.pk).update(drain_until=db_now() - timedelta(seconds=1))


def test_it_begins_when_the_last_job_has_ended_and_the_node_is_clean() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    action = _ask(node)
    assert make.statuses(node) == ["PROCESSING", "SHUTDOWN"]
    assert (action.state, Bmc.objects.get(pk=node.pk).target) == (ActionState.DRAINING, "")
    assert (release_drained(action.pk), lease_action(action.pk)) == (False, None)
    cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    assert release_drained(action.pk) is False  # its devices are being cleaned
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN", "SHUTDOWN"]
    assert release_drained(action.pk) is True
    assert (_state(action), Bmc.objects.get(pk=node.pk).target) == (ActionState.QUEUED, "on")
    assert release_drained(action.pk) is False
    assert lease_action(action.pk) is not None
    names = Event.objects.filter(subject=f"backend/{node.pk}", action__startswith="POWER").order_by("pk")
    assert list(names.values_list("action", flat=True)) == ["POWER", "POWER_DRAINED"]


def test_a_node_without_jobs_does_not_wait() -> None:
    action = _ask(make.ready_backend(2))
    pick_up_power()
    assert _state(action) != ActionState.DRAINING


@pytest.mark.parametrize(("force", "state"), [(False, "FAILED"), (True, "QUEUED")])
def test_at_its_time_it_is_given_up_or_begins_with_jobs(force: bool, state: str) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    action = _ask(node, force=force)
    assert release_drained(action.pk) is False
    _over(action)
    assert release_drained(action.pk) is True
    action.refresh_from_db()
    assert (action.state, action.code, make.statuses(node)) == (state, "" if force else "NOT_DRAINED", ["PROCESSING"])


def test_an_operator_cancels_it_as_long_as_it_has_not_begun() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    action = _ask(node)
    assert cancel_power(action, actor=make.ACTOR).state == ActionState.CANCELED
    with pytest.raises(NotCancelable):
        cancel_power(action, actor=make.ACTOR)
    assert (release_drained(action.pk), due_for_drain()) == (False, [])
    queued = request_power(node, PowerVerb.OFF, actor=make.ACTOR, force=True)
    cancel_power(queued, actor=make.ACTOR)
    assert (_state(queued), Bmc.objects.get(pk=node.pk).target, lease_action(queued.pk)) == ("CANCELED", "", None)
    begun = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    lease_action(begun.pk)
    with pytest.raises(NotCancelable):
        cancel_power(begun, actor=make.ACTOR)


def test_while_it_waits_the_power_is_read_but_not_switched_off() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    action = _ask(node)
    status = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    with pytest.raises(ActionUnderWay):
        _ask(node)
    with pytest.raises(ActionUnderWay):
        request_power(node, PowerVerb.OFF, actor=make.ACTOR, force=True)
    _over(action)
    PowerAction.objects.filter(pk=action.pk).update(drain_force=True)
    assert release_drained(action.pk) is False  # one action at a time
    cancel_power(status, actor=make.ACTOR)
    assert release_drained(action.pk) is True


def test_the_action_of_a_deleted_node_is_canceled() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    action = _ask(node)
    cancel_job(Job.objects.get(), cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    make.answer(node)
    with pytest.raises(ActionUnderWay):
        delete_backend(node, actor=make.ACTOR)
    delete_backend(node, actor=make.ACTOR, force=True)
    assert release_drained(action.pk) is True
    assert _state(action) == ActionState.CANCELED


@pytest.mark.parametrize("verb", [PowerVerb.ON, PowerVerb.STATUS, PowerVerb.READ, PowerVerb.CLEAR_LOG])
def test_what_ends_no_jobs_needs_no_drain(verb: PowerVerb) -> None:
    node = make.ready_backend(1, **LOGIN)
    with pytest.raises(InvalidParameter) as caught:
        _ask(node, verb)
    assert (caught.value.details, make.statuses(node)) == ({"parameter": "drain"}, ["IDLE"])
