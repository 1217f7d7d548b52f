"""Jobs on reserved SDAs: why they wait, and that a dry run says what the next tick does."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import F

from backends.choices import BackendStatus, DeviceStatus, SchedulingPolicy
from backends.models import Agent, Backend, Bmc, ManagerPresence
from backends.services.groups import update_backend_group
from backends.services.nodes import set_backend_status
from core.clock import db_now
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.models import Allocation, Job
from scheduler.policy.decisions import PendingReason
from scheduler.queries.queue import places
from scheduler.services.jobs import finish_job, set_job_priority
from scheduler.services.lost_nodes import power_down_backend
from scheduler.services.nodes import drain_backend, set_device_status
from scheduler.services.sdas import create_sda
from scheduler.services.tokens import stop_tokens
from sda.models import Sda
from sda.queries import backend_group_of
from tests import make
from tokens.choices import BudgetKind

pytestmark = pytest.mark.django_db
STOP = {"kind": BudgetKind.DEVICE_HOURS, "limit": "1", "spent": "1", "unit": "h"}


def reserved(num_devices: int = 2, **fields: object) -> Sda:
    return create_sda(make.token(**fields), make.sda_model(num_devices), reserved=True, actor=make.ACTOR)


def power_off(node: Backend) -> None:
    """Let a node be seen off after its agent last spoke."""
    Bmc.objects.filter(backend=node).update(status="off", checked_at=db_now() + timedelta(seconds=1))
    power_down_backend(node.pk)


def _silent(node: Backend) -> None:
    Agent.objects.filter(backend=node).update(last_seen=F("last_seen") - 2 * settings.MOREH_SILENT_AFTER)
    ManagerPresence.objects.update(since=db_now() - 4 * settings.MOREH_SILENT_AFTER)


def _busy(node: Backend, sda: Sda) -> None:
    make.job(sda)
    tick(0)


def _cleaned(node: Backend, sda: Sda) -> None:
    job = make.job(sda)
    tick(0)
    make.answer(node, "START")
    finish_job(job, exit_code=0, actor=make.ACTOR)


def _one_kept_out(node: Backend, _sda: Sda) -> None:
    set_device_status(node, DeviceStatus.BUSY, index=0, actor=make.ACTOR)


WAITS: dict[str, tuple[Callable[[Backend, Sda], object], tuple[str, int, int]]] = {
    "nothing is in the way": (lambda _node, _sda: None, ("", 0, 0)),
    "another job is on it": (_busy, (PendingReason.SDA_BUSY, 1, 0)),
    "its devices are being cleaned": (_cleaned, (PendingReason.NOT_ENOUGH_DEVICES, 2, 0)),
    "its node is off": (lambda node, _sda: power_off(node), (PendingReason.NOT_ENOUGH_DEVICES, 2, 0)),
    "its node is silent": (lambda node, _sda: _silent(node), (PendingReason.NOT_ENOUGH_DEVICES, 2, 0)),
    "its node takes no jobs": (
        lambda node, _sda: set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR),
        (PendingReason.NOT_ENOUGH_DEVICES, 2, 0),
    ),
    "its node is drained": (
        lambda node, _sda: drain_backend(node, actor=make.ACTOR),
        (PendingReason.NOT_ENOUGH_DEVICES, 2, 0),
    ),
    "one of its devices is kept out": (_one_kept_out, (PendingReason.NOT_ENOUGH_DEVICES, 2, 1)),
    "its token is stopped": (
        lambda _node, sda: stop_tokens({sda.token_id: STOP}, actor=make.ACTOR),
        (PendingReason.TOKEN_STOPPED, 2, 0),
    ),
    "its group is draining": (
        lambda _node, _sda: update_backend_group(make.default_group(), draining=True, actor=make.ACTOR),
        (PendingReason.GROUP_DRAINING, 2, 0),
    ),
}


@pytest.mark.parametrize("case", WAITS)
def test_a_job_on_a_reservation_has_the_pending_reason_of_its_dry_run(case: str) -> None:
    prepare, wanted = WAITS[case]
    node = make.ready_backend(3)
    sda = reserved()
    if case == "its token is stopped":
        job = make.job(sda)
        prepare(node, sda)
        sda.token.refresh_from_db()
    else:
        prepare(node, sda)
        job = None
    result = dry_run(DryRunParams(sda.token, 2, backend_group_of(sda), sda))
    job = job or make.job(sda)
    tick(0)
    job.refresh_from_db()
    assert (job.pending_reason, job.pending_needed, job.pending_available) == wanted
    assert job.status == (JobStatus.SUBMITTED if wanted[0] == "" else JobStatus.WAITING)
    reason = ("", 0, 0) if result.waits is None else (result.waits.reason, result.waits.needed, result.waits.available)
    assert reason == wanted


def test_the_job_of_higher_priority_goes_first_and_the_other_has_a_pending_reason() -> None:
    make.ready_backend(2)
    sda = reserved()
    older, younger = make.job(sda), make.job(sda)
    set_job_priority(younger, 5, actor=make.ACTOR)
    ahead = dry_run(DryRunParams(sda.token, 2, 0, sda, priority=9))
    behind = dry_run(DryRunParams(sda.token, 2, 0, sda, priority=1))
    assert (ahead.waits, ahead.place) == (None, 1)
    assert (behind.waits and behind.waits.reason, behind.place) == (PendingReason.SDA_BUSY, 2)
    tick(0)
    rows = Job.objects.filter(pk__in=[older.pk, younger.pk]).order_by("pk").values_list("status", "pending_reason")
    assert list(rows) == [("WAITING", "SDA_BUSY"), ("SUBMITTED", "")]


@pytest.mark.parametrize("policy", SchedulingPolicy)
def test_the_place_of_a_dry_run_counts_jobs_on_reserved_sdas(policy: SchedulingPolicy) -> None:
    make.ready_backend(4)
    sda, other = reserved(), make.sda(4)
    make.job(sda)
    tick(0)
    make.job(sda)  # ranked in no policy
    update_backend_group(make.default_group(), policy=policy, actor=make.ACTOR)
    for _ in range(2):
        make.job(sda)
    for new, priority in ((other, 0), (other, 1), (sda, 1), (other, -1), (sda, -1)):
        result = dry_run(DryRunParams(new.token, new.model.num_devices, 0, new, priority))
        job = make.job(new)
        set_job_priority(job, priority, actor=make.ACTOR)
        tick(0)
        assert result.place == places()[job.pk].number


def test_a_pending_reason_that_is_over_is_replaced() -> None:
    node = make.ready_backend(2)
    sda = reserved()
    drain_backend(node, actor=make.ACTOR)
    job = make.job(sda)
    tick(0)
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR)
    assert make.statuses(node) == ["PREPARING"] * 2
    tick(0)
    job.refresh_from_db()
    assert (job.status, job.pending_reason) == (JobStatus.SUBMITTED, "")
    assert Allocation.objects.filter(ended_at=None, job=None).count() == 2
