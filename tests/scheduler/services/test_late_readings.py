"""What BMCs answer is true of the time at which they were asked: an answer that comes late changes nothing newer."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from time import sleep
from typing import Any

import pytest

from alerts.models import Alert
from backends import work
from backends.choices import PowerStatus, PowerVerb
from backends.models import Agent, Backend, Bmc
from backends.power.driver import PowerState
from backends.power.errors import BmcSilent, WrongLogin
from backends.services.power import request_power
from backends.services.power_readings import PowerReading, store_power_readings
from backends.work import actions, sweep
from core.clock import db_now
from scheduler.choices import JobStatus
from scheduler.models import Job
from tests import make

pytestmark = pytest.mark.django_db
ON, OFF = PowerReading(PowerStatus.ON), PowerReading(PowerStatus.OFF)
LOGIN: dict[str, Any] = {"bmc_user": "admin", "bmc_password": "secret"}


def _power(node: Backend) -> tuple[str, str]:
    bmc = Bmc.objects.get(pk=node.pk)
    return bmc.status, bmc.error


def _come_back(node: Backend) -> Job:
    """Let power on be confirmed, the agent be back, and a job run."""
    store_power_readings({node.pk: ON}, at=db_now())
    make.hello(node, 1, boot=2)
    make.answer(node)
    sleep(0.01)
    return make.running_job(node)


class _SlowPool:
    """Answers of a sweep, between which something happens."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers

    def sweep(self, logins: Iterable[Any], _deadline: float) -> Iterator[Any]:
        list(logins)
        for answer in self.answers:
            if callable(answer):
                sleep(0.01)
                answer()
            else:
                yield [answer]


def test_a_node_that_came_back_while_a_sweep_waited_for_a_silent_bmc_keeps_its_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, silent = make.ready_backend(1), make.ready_backend(1, bmc_ip="127.0.0.2")
    Agent.objects.update(last_seen=db_now() - timedelta(seconds=5))
    store_power_readings({node.pk: OFF}, at=db_now() - timedelta(seconds=1))
    jobs: list[Job] = []
    answers = (
        (node.pk, PowerState.OFF),
        lambda: jobs.append(_come_back(node)),
        (silent.pk, BmcSilent("silent")),
    )
    monkeypatch.setattr(sweep, "pool", lambda: _SlowPool(*answers))
    Bmc.objects.update(checked_at=db_now() - timedelta(minutes=1))
    work.sweep_power()
    node.refresh_from_db()
    assert Job.objects.get(pk=jobs[0].pk).status == JobStatus.RUNNING
    assert (node.status, _power(node), _power(silent)) == ("ACTIVE", ("on", ""), ("unknown", "BMC_SILENT"))


def test_the_time_of_a_reading_is_that_before_the_bmcs_were_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    node, times = make.backend(1, **LOGIN), []
    monkeypatch.setattr(sweep, "pool", lambda: _SlowPool(lambda: times.append(db_now()), (node.pk, PowerState.ON)))
    begun = db_now()
    work.sweep_power()
    checked = Bmc.objects.get(pk=node.pk).checked_at
    assert checked
    assert begun <= checked < times[0]


@pytest.mark.parametrize("late", [OFF, PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT")])
def test_an_older_reading_never_replaces_a_newer_one(late: PowerReading) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    now = db_now()
    Agent.objects.update(last_seen=now - timedelta(minutes=1))
    store_power_readings({node.pk: ON}, at=now)
    store_power_readings({node.pk: late}, at=now - timedelta(seconds=1))
    assert (_power(node), Bmc.objects.get(pk=node.pk).checked_at) == (("on", ""), now)
    assert Job.objects.get(pk=job.pk).status == JobStatus.RUNNING
    assert not Alert.objects.filter(category="BMC_UNREACHABLE").exists()


def test_a_reading_of_a_time_to_come_is_replaced() -> None:
    node = make.backend(1)
    Bmc.objects.filter(pk=node.pk).update(status=PowerStatus.OFF, checked_at=db_now() + timedelta(days=1))
    store_power_readings({node.pk: ON}, at=db_now())
    assert _power(node) == ("on", "")


class _LateBmc:
    """A BMC whose answer comes after the node was seen on at another place."""

    def __init__(self, node: Backend, answer: PowerState | BmcSilent) -> None:
        self.node, self.answer = node, answer

    def state(self, _login: object, **_limits: Any) -> PowerState:
        sleep(0.01)
        store_power_readings({self.node.pk: ON}, at=db_now())
        if isinstance(self.answer, BmcSilent):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [PowerState.OFF, BmcSilent("silent")])
def test_what_a_power_action_reads_is_of_the_time_at_which_it_asked(
    monkeypatch: pytest.MonkeyPatch, answer: PowerState | BmcSilent
) -> None:
    node = make.ready_backend(1, **LOGIN)
    Agent.objects.update(last_seen=db_now() - timedelta(minutes=1))
    monkeypatch.setattr(actions, "pool", lambda: _LateBmc(node, answer))
    monkeypatch.setattr(actions, "_sleep", lambda *_args: None)
    action = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    work.drive(action.pk)
    node.refresh_from_db()
    assert (node.status, _power(node)) == ("ACTIVE", ("on", ""))


def test_wrong_logins_that_were_noted_meanwhile_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    node = make.backend(1, **LOGIN)
    noted = [int((db_now() - timedelta(seconds=1)).timestamp() * 1000)]

    def note_another() -> None:
        Bmc.objects.filter(pk=node.pk).update(wrong_logins=noted)

    monkeypatch.setattr(sweep, "pool", lambda: _SlowPool(note_another, (node.pk, WrongLogin("no"))))
    work.sweep_power()
    kept = Bmc.objects.get(pk=node.pk).wrong_logins
    assert (kept[:1], len(kept)) == (noted, 2)


def test_a_reading_that_cannot_be_stored_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [make.backend(1, **LOGIN) for _ in range(5)]
    real = store_power_readings

    def refuse_one(sights: dict[int, PowerReading], **when: Any) -> None:
        if nodes[3].pk in sights:
            raise RuntimeError(nodes[3].name)
        real(sights, **when)

    monkeypatch.setattr(sweep, "store_power_readings", refuse_one)
    monkeypatch.setattr(sweep, "pool", lambda: _SlowPool(*((node.pk, PowerState.ON) for node in nodes)))
    work.sweep_power()
    assert [_power(node)[0] for node in nodes] == ["on", "on", "on", "unknown", "on"]
