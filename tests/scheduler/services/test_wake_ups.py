"""Every verb after which a queue may look different says so, of the groups that it is about and of no other."""

from collections.abc import Callable, Iterator

import pytest

from backends.models import Backend, BackendGroup
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.services.jobs import cancel_job, finish_job, preempt_job, set_job_priority
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from scheduler.services.tokens import free_tokens, stop_tokens
from scheduler.signals import job_accepted, queue_changed
from sda.models import Sda
from tests import make

pytestmark = pytest.mark.django_db
WHY = {"kind": "MONEY", "limit": "1", "spent": "1", "unit": "KRW"}


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The groups whose queues are said to look different, because a job came or for another reason."""
    groups: list[int] = []

    def received(*, group_id: int, **_signal: object) -> None:
        groups.append(group_id)

    for signal in (job_accepted, queue_changed):
        signal.connect(received)
    yield groups
    for signal in (job_accepted, queue_changed):
        signal.disconnect(received)


def _waiting(priority: int = 0) -> Job:
    return make.job(make.sda(owner=make.token(priority=priority)))


def _noticed(node: Backend) -> int:
    """Return a running job whose notice of preemption is over, and without which a head would start."""
    BackendGroup.objects.update(preempt=True)
    job = make.running_job(node, num_devices=2)
    wanting = _waiting(5)
    Job.objects.filter(pk=job.pk).update(preempt_at=job.requested_at, preempted_by=wanting.pk)
    return job.pk


def _reserved() -> Sda:
    return create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)


def _stopped(job: Job) -> list[int]:
    return stop_tokens({job.token_id: WHY}, actor=make.ACTOR)


# sentence: what is there before, and what is done then
VERBS: dict[str, tuple[Callable[[Backend], object], Callable[..., object]]] = {
    "a job is asked for": (lambda _node: make.sda(), make.job),
    "a waiting job is canceled": (
        lambda _node: _waiting(),
        lambda job: cancel_job(job, cause=Cause.BY_USER, actor=make.ACTOR),
    ),
    "a running job ends": (make.running_job, lambda job: finish_job(job, exit_code=0, actor=make.ACTOR)),
    "a job loses its devices": (_noticed, preempt_job),
    "a waiting job gets another priority": (
        lambda _node: _waiting(),
        lambda job: set_job_priority(job, 7, actor=make.ACTOR),
    ),
    "a token with a waiting job is stopped": (lambda _node: _waiting(), _stopped),
    "a stopped token with a waiting job is freed": (
        lambda _node: _stopped(_waiting()),
        lambda ids: free_tokens(ids, actor=make.ACTOR),
    ),
    "a reservation ends": (lambda _node: _reserved(), lambda sda: delete_sda(sda, actor=make.ACTOR)),
    "a reserved SDA gets another model": (
        lambda _node: _reserved(),
        lambda sda: switch_model(sda, make.sda_model(1), actor=make.ACTOR),
    ),
    "an agent is back": (lambda node: node, lambda node: make.hello(node, 2, boot=2)),
}


@pytest.mark.parametrize("case", VERBS)
def test_a_change_of_a_queue_enqueues_a_tick(case: str, heard: list[int]) -> None:
    before, verb = VERBS[case]
    there = before(make.ready_backend(2))
    heard.clear()
    verb(there)
    assert heard == [0]


def test_a_stopped_token_without_waiting_jobs_changes_no_queue(heard: list[int]) -> None:
    stop_tokens({make.token().pk: WHY}, actor=make.ACTOR)
    assert heard == []
