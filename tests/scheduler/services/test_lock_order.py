"""Rows are locked in one order by whoever writes several of them: nobody waits in a circle."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from backends.choices import OrderVerb, PowerStatus, SchedulingPolicy
from backends.models import Agent, Backend, BackendGroup, Bmc
from backends.services.agents import agent_session
from backends.services.groups import create_backend_group, update_backend_group
from core.clock import db_now
from core.errors import DomainError
from scheduler.choices import Cause
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from scheduler.services.lost_nodes import power_down_backends
from scheduler.services.sdas import delete_sda, reset_sda
from scheduler.services.workers import take_result
from sda.models import Sda
from sda.services.groups import delete_backend_group
from tests import make
from tokens.services import rotate_token

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_postgresql,  # SQLite has one writer at a time
]
Act = Callable[[], object]
ROUNDS = 6
SECOND = timedelta(seconds=1)


def at_once(*acts: Act) -> list[str]:
    """Do things in threads of their own; return what the database refused."""
    errors: list[str] = []
    barrier = Barrier(len(acts))

    def run(act: Act) -> None:
        barrier.wait()
        try:
            act()
        except DomainError:
            pass  # somebody else was first
        except DatabaseError as error:
            errors.append(f"{type(error).__name__}: {error}"[:100])
        finally:
            connection.close()

    threads = [Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def cancel(job: Job) -> None:
    cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)


def answer_start(node: Backend, *, ok: bool = True) -> None:
    """Be the agent of a node that has started the worker it was ordered to start, or has not."""
    order = make.orders(node).get(verb=OrderVerb.START)
    session = Agent.objects.get(pk=node.pk).session
    assert session
    with agent_session(node, session):
        take_result(node, order.pk, ok=ok, error="" if ok else "no memory", address="10.0.0.1:30000")


def submitted(devices: int = 1) -> Job:
    job = make.job(num_devices=devices)
    tick(job.group_id)
    return job


def jobs_of(sda: Sda, count: int) -> list[Job]:
    """Return jobs that run on an SDA, all with a node of their own."""
    nodes = [make.ready_backend(1) for _ in range(count)]
    jobs = [make.job(sda) for _ in range(count)]
    tick(jobs[0].group_id)
    for node in nodes:
        make.answer(node)
    return jobs


@pytest.mark.parametrize("ok", [True, False])
def test_an_agent_answers_while_its_job_ends(ok: bool) -> None:
    for _round in range(ROUNDS):
        node = make.ready_backend(1)
        job = submitted()
        assert at_once(partial(answer_start, node, ok=ok), partial(cancel, job)) == []
        make.answer(node)
        Backend.objects.filter(pk=node.pk).update(status="SHUTDOWN")


def test_an_sda_is_deleted_while_its_jobs_end_and_its_token_is_rotated_in_a_fair_group() -> None:
    BackendGroup.objects.update(policy=SchedulingPolicy.FAIR)
    for _round in range(ROUNDS):
        sda = make.sda(max_duplicates=0)
        jobs = jobs_of(sda, 4)
        assert (
            at_once(
                partial(delete_sda, sda, actor=make.ACTOR, force=True),
                partial(rotate_token, sda.token, actor=make.ACTOR),
                *(partial(cancel, job) for job in reversed(jobs)),
            )
            == []
        )


def test_an_sda_is_reset_while_its_jobs_end_in_a_fair_group() -> None:
    BackendGroup.objects.update(policy=SchedulingPolicy.FAIR)
    for _round in range(ROUNDS):
        sda = make.sda(max_duplicates=0)
        jobs = jobs_of(sda, 4)
        reset = partial(reset_sda, sda, actor=make.ACTOR)
        assert at_once(reset, *(partial(cancel, job) for job in reversed(jobs))) == []


def test_two_groups_take_the_same_nodes() -> None:
    nodes = [make.backend(1) for _ in range(6)]
    groups = [create_backend_group(name=name, actor=make.ACTOR) for name in ("one", "two")]
    for _round in range(ROUNDS):
        rows = list(Backend.objects.filter(pk__in=[node.pk for node in nodes]).order_by("pk"))
        one, two = (partial(update_backend_group, group, actor=make.ACTOR) for group in groups)
        assert at_once(partial(one, backends=rows), partial(two, backends=rows[::-1])) == []


def test_a_group_is_deleted_while_its_nodes_are_moved() -> None:
    for _ in range(ROUNDS):
        group = create_backend_group(name=f"group {uuid4()}", backends=[make.backend(1)], actor=make.ACTOR)
        delete = partial(delete_backend_group, group, force=True, actor=make.ACTOR)
        assert at_once(delete, partial(update_backend_group, group, backends=[], actor=make.ACTOR)) == []


def test_nodes_are_seen_off_while_the_job_on_them_starts() -> None:
    def power_down(nodes: list[Backend]) -> None:
        with transaction.atomic():
            assert power_down_backends([node.pk for node in nodes])

    for _round in range(ROUNDS):
        nodes = [make.ready_backend(1), make.ready_backend(1)]
        submitted(2)
        Agent.objects.update(last_seen=F("last_seen") - SECOND)
        Bmc.objects.filter(pk__in=[node.pk for node in nodes]).update(status=PowerStatus.OFF, checked_at=db_now())
        assert at_once(partial(power_down, nodes), *(partial(answer_start, node) for node in reversed(nodes))) == []
