"""A stop, or a first limit, wins every race: once it is there, nothing more starts, whoever had looked before."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.db import connection, transaction

from backends.choices import ActionState, BackendStatus, PowerVerb
from backends.models import Backend
from backends.services.groups import create_backend_group, move_backend, update_backend_group
from backends.services.nodes import set_backend_status
from backends.services.power import end_action, lease_action, request_power
from core.errors import DomainError
from scheduler.choices import HOLDING, JobStatus
from scheduler.cycle import bind_batch
from scheduler.cycle.apply import apply
from scheduler.cycle.fast_path import try_fast_path
from scheduler.cycle.lease import acquire
from scheduler.cycle.tick import decide, tick
from scheduler.models import Allocation, Job, Queue
from scheduler.policy.decisions import Placed
from scheduler.services.nodes import drain_backend
from scheduler.services.sdas import create_sda, switch_model
from scheduler.services.submission import JobRequest, submit_job
from scheduler.services.tokens import stop_tokens
from scheduler.services.workers import note_health
from sda.models import Sda
from tests import make
from tests.scheduler.cycle.test_reserved import STOP
from tokens.models import Token
from tokens.services import add_token_to_group, create_token_group, update_token, update_token_group

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[[], object]


def _stop(token: Token) -> Callable[[], object]:
    return lambda: stop_tokens({token.pk: STOP}, actor=make.ACTOR)


def _first_limit(token: Token) -> Callable[[], object]:
    return lambda: update_token(Token.objects.get(pk=token.pk), max_devices=0, actor=make.ACTOR)


def _first_limit_of_a_group(token: Token) -> Callable[[], object]:
    group = create_token_group(name="team", tokens=[token], actor=make.ACTOR)
    return lambda: update_token_group(group, max_devices=0, actor=make.ACTOR)


def _into_a_limited_group(token: Token) -> Callable[[], object]:
    group = create_token_group(name="team", max_devices=0, actor=make.ACTOR)
    return lambda: add_token_to_group(token, group, actor=make.ACTOR)


def _set_of_a_limited_group(token: Token) -> Callable[[], object]:
    group = create_token_group(name="team", max_devices=0, actor=make.ACTOR)
    return lambda: update_token_group(group, tokens=[token], actor=make.ACTOR)


def _new_limited_group(token: Token) -> Callable[[], object]:
    return lambda: create_token_group(name="team", tokens=[token], max_devices=0, actor=make.ACTOR)


def _group_drains(_token: Token) -> Callable[[], object]:
    return lambda: update_backend_group(make.default_group(), draining=True, actor=make.ACTOR)


def _node() -> Backend:
    node: Backend = Backend.objects.get()
    return node


def _node_shuts_down(_token: Token) -> Callable[[], object]:
    return lambda: set_backend_status(_node(), BackendStatus.SHUTDOWN, actor=make.ACTOR)


def _node_drains(_token: Token) -> Callable[[], object]:
    return lambda: drain_backend(_node(), actor=make.ACTOR)


def _node_fails_its_check(_token: Token) -> Callable[[], object]:
    return lambda: note_health(_node(), ok=False, error="no driver")


def _node_moves(_token: Token) -> Callable[[], object]:
    group = create_backend_group(name="elsewhere", actor=make.ACTOR)
    return lambda: move_backend(_node(), group, actor=make.ACTOR)


def _node_is_powered_off(_token: Token) -> Callable[[], object]:
    return lambda: request_power(_node(), PowerVerb.OFF, actor=make.ACTOR, force=True)


NODE_STOPS = {
    "its node shuts down": _node_shuts_down,
    "its node drains": _node_drains,
    "its node fails its health check": _node_fails_its_check,
    "its node is powered off": _node_is_powered_off,
}
STOPS = {
    **NODE_STOPS,
    "its node moves to another group": _node_moves,
    "its backend group drains": _group_drains,
    "a stop": _stop,
    "a first limit": _first_limit,
    "a first limit of its group": _first_limit_of_a_group,
    "it joins a limited group": _into_a_limited_group,
    "a limited group gets it": _set_of_a_limited_group,
    "a limited group is made of it": _new_limited_group,
}


def _waiting(sda: Sda) -> Job:
    """Make a job that nobody has started yet, because its nodes come later."""
    job = make.job(sda)
    make.ready_backend(2)
    return job


def _tick(sda: Sda) -> Start:
    _waiting(sda)
    return lambda: tick(0)


def _at_once(sda: Sda) -> Start:
    _waiting(sda)
    Queue.objects.get_or_create(pk=0)
    return lambda: try_fast_path(0)


def _reserve(sda: Sda) -> Start:
    make.ready_backend(2)
    model = make.sda_model(2)
    return lambda: create_sda(sda.token, model, reserved=True, actor=make.ACTOR)


def _switch_reserved(sda: Sda) -> Start:
    make.ready_backend(4)
    reserved = create_sda(sda.token, make.sda_model(1), reserved=True, actor=make.ACTOR)
    model = make.sda_model(2)
    return lambda: switch_model(reserved, model, actor=make.ACTOR)


def _start_reserved(sda: Sda) -> Start:
    make.ready_backend(2)
    reserved = create_sda(sda.token, make.sda_model(1), reserved=True, actor=make.ACTOR)
    make.job(reserved)
    return lambda: tick(0)


def _submit(sda: Sda) -> Start:
    token = Token.objects.get(pk=sda.token_id)  # as it was authenticated
    return lambda: submit_job(token, JobRequest(request_id="late", sda_id=sda.pk), actor=make.ACTOR)


# A limit says nothing of jobs that wait, nor of those on devices that are held already; who waits may do so for ever.
STARTS: dict[str, tuple[Callable[[Sda], Start], Collection[str]]] = {
    "a tick": (_tick, STOPS),
    "the fast path": (_at_once, STOPS),
    "a reservation": (_reserve, STOPS),
    "another model of a reservation": (_switch_reserved, STOPS),
    "a job on a reservation": (_start_reserved, (*NODE_STOPS, "a stop", "its backend group drains")),
    "a submission": (_submit, ("a stop",)),
}
CASES = [(start, stop) for start, (_make, stops) in STARTS.items() for stop in stops]


def _own(call: Callable[[], object]) -> object:
    """Make a call in a thread of its own, and return what it refused."""
    try:
        return call()
    except DomainError as refusal:
        return refusal
    finally:
        connection.close()


def _slowly(stop: Callable[[], object], done: Event, commit: Event) -> None:
    with transaction.atomic():
        stop()
        done.set()
        commit.wait(10)


def _holding() -> tuple[int, int, int]:
    """Count the jobs that hold devices, the devices that are held, and the jobs that wait."""
    waiting = Job.objects.filter(status=JobStatus.WAITING).count()
    held = Allocation.objects.filter(ended_at=None).count()
    return Job.objects.filter(status__in=HOLDING).count(), held, waiting


@pytest.mark.parametrize(("start", "stop"), CASES)
def test_what_read_the_token_before_its_stop_starts_nothing_after_it(start: str, stop: str) -> None:
    """The stop is written but not committed when somebody who cannot see it yet begins."""
    sda = make.sda(2, max_duplicates=1, max_sda_count=3)
    begin = STARTS[start][0](sda)
    act = STOPS[stop](sda.token)
    before = _holding()
    done, commit = Event(), Event()
    with ThreadPoolExecutor(2) as threads:
        stopping = threads.submit(_own, lambda: _slowly(act, done, commit))
        assert done.wait(10)
        starting = threads.submit(_own, begin)
        sleep(0.2)  # it waits, or it has gone wrong by now
        commit.set()
        assert stopping.result(10) is None
        starting.result(10)
    assert _holding() == before


@pytest.mark.parametrize("stop", [*NODE_STOPS, "its node moves to another group"])
def test_what_was_planned_for_a_node_before_the_stop_is_not_bound_to_it(stop: str) -> None:
    sda = make.sda(2)
    job = _waiting(sda)
    lease = acquire(0)
    assert lease is not None
    planned = decide(0)
    STOPS[stop](sda.token)()
    apply(lease, *planned)
    assert [one.request_id for one in planned[1] if isinstance(one, Placed)] == [job.pk]
    assert _holding() == (0, 0, 1)


def test_a_node_gets_jobs_again_when_its_power_action_is_over() -> None:
    job = _waiting(make.sda(2))
    action = request_power(_node(), PowerVerb.RESET, actor=make.ACTOR)
    tick(0)
    assert _holding() == (0, 0, 1)
    claim_ = lease_action(action.pk)
    assert claim_ is not None
    end_action(claim_, ActionState.FAILED, code="TIMEOUT")
    tick(0)
    job.refresh_from_db()
    assert (job.status, _holding()) == (JobStatus.SUBMITTED, (1, 2, 0))


@pytest.mark.only_postgresql
def test_a_large_batch_starts_nothing_of_a_token_that_was_stopped_meanwhile() -> None:
    one, other = make.sda(1, max_duplicates=0), make.sda(1, max_duplicates=0)
    for n in range(bind_batch.LARGE // 2 + 10):
        make.job(one, request_id=str(n))
        make.job(other, request_id=str(n))
    for _ in range(bind_batch.LARGE // 32 + 1):
        make.ready_backend(32)
    done, commit = Event(), Event()
    with ThreadPoolExecutor(2) as threads:
        stopping = threads.submit(_own, lambda: _slowly(_stop(one.token), done, commit))
        assert done.wait(10)
        starting = threads.submit(_own, lambda: tick(0))
        sleep(0.5)
        commit.set()
        assert (stopping.result(10), starting.result(30)) == (None, None)
    holding = Job.objects.filter(status__in=HOLDING).values_list("token", flat=True)
    assert set(holding) == {other.token_id}


def test_ticks_submissions_and_a_stop_at_once_leave_nothing_that_began_after_the_stop() -> None:
    node = make.ready_backend(32)
    for _round in range(3):
        sda = make.sda(1, max_duplicates=0)
        for _ in range(4):
            make.job(sda)
        token = Token.objects.get(pk=sda.token_id)
        calls: list[Callable[[], Any]] = [lambda: tick(0)] * 3
        calls += [partial(submit_job, token, JobRequest(str(n), sda.pk), actor=make.ACTOR) for n in range(4)]
        calls.insert(3, _stop(token))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(_own, calls))
        token.refresh_from_db()
        assert token.stopped_at is not None
        late = Allocation.objects.filter(token=token, started_at__gt=token.stopped_at)
        requested = Job.objects.filter(token=token, requested_at__gt=token.stopped_at)
        assert (late.count(), requested.count(), node.pk > 0) == (0, 0, True)
