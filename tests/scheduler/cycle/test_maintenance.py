"""Jobs around maintenance windows, from rows to rows: plans, races, reserved SDAs, notices."""

from datetime import timedelta

import pytest

from backends.models import Backend, MaintenanceWindow
from backends.services.maintenance import create_window, end_window
from core.clock import db_now, to_ms
from events.models import Event
from scheduler import work
from scheduler.choices import JobStatus
from scheduler.cycle.apply import apply
from scheduler.cycle.fast_path import try_fast_path
from scheduler.cycle.lease import acquire
from scheduler.cycle.load import load, load_short_queue
from scheduler.cycle.tick import decide, tick
from scheduler.errors import NotEnoughDevices
from scheduler.estimates.dry_run import DryRunParams, Remedy, dry_run
from scheduler.estimates.holdings import EndBasis, held_on
from scheduler.models import Job
from scheduler.pending_reason import describe_pending_reason
from scheduler.policy.decisions import PendingReason
from scheduler.rpc.updates import read_updates
from scheduler.services.nodes import activate_backend
from scheduler.services.sdas import create_sda
from tests import make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
GROUP = 0


def plan_maintenance(*nodes: Backend, starts: timedelta = HOUR, lasts: timedelta = HOUR) -> MaintenanceWindow:
    begins = db_now() + starts
    ids = [node.pk for node in nodes]
    return create_window(ids, starts_at=begins, ends_at=begins + lasts, reason="fans", actor=make.ACTOR)


def job(limit: timedelta | None, devices: int = 1) -> Job:
    return make.job(num_devices=devices, time_limit=limit)


def status(one: Job) -> tuple[str, str, int, int]:
    one.refresh_from_db()
    return one.status, one.pending_reason, one.pending_needed, one.pending_available


def test_a_job_that_would_overlap_waits_and_says_so_and_others_start() -> None:
    node = make.ready_backend(4)
    window = plan_maintenance(node)
    long, short, endless = job(2 * HOUR), job(HOUR / 2), job(None)
    tick(GROUP)
    assert status(long) == ("WAITING", "MAINTENANCE", 1, 0)
    assert describe_pending_reason(long, None) == ("It needs 1 device without maintenance before its end; free: 0.")
    assert (status(short)[0], status(endless)[0]) == ("SUBMITTED", "SUBMITTED")
    end_window(window, actor=make.ACTOR)
    tick(GROUP)
    assert status(long)[0] == "SUBMITTED"


def test_a_dry_run_names_the_longest_time_limit_that_would_start_at_once() -> None:
    first, second, third = (make.ready_backend(2) for _ in range(3))
    for node, starts in ((first, 1), (second, 2), (third, 3)):
        plan_maintenance(node, starts=starts * HOUR)

    def remedies(devices: int, limit: timedelta | None) -> list[tuple[str, int]]:
        found = dry_run(DryRunParams(make.token(), devices, GROUP, time_limit=limit)).remedies
        return [(str(one), value) for one, value in found if one is Remedy.TIME_LIMIT]

    assert remedies(2, 4 * HOUR) == [("timeLimit", 3 * 3600 - 60)]
    assert remedies(3, 4 * HOUR) == [("timeLimit", 2 * 3600 - 60)]
    assert remedies(5, 4 * HOUR) == [("timeLimit", 3600 - 60)]
    assert remedies(2, HOUR) == remedies(2, None) == remedies(7, 4 * HOUR) == []
    job(2 * HOUR - timedelta(seconds=60), devices=3)
    tick(GROUP)
    assert Job.objects.get().status == JobStatus.SUBMITTED
    assert remedies(4, 4 * HOUR) == []


def test_while_it_lasts_nothing_starts_even_before_its_node_is_drained() -> None:
    node = make.ready_backend(1)
    plan_maintenance(node, starts=-HOUR, lasts=2 * HOUR)
    waiting = job(None)
    tick(GROUP)
    assert (status(waiting)[:2], make.statuses(node)) == (("WAITING", "MAINTENANCE"), ["IDLE"])
    work.maintain()
    activate_backend(node, actor=make.ACTOR)
    tick(GROUP)
    assert status(waiting)[0] == "SUBMITTED"


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_window_that_is_planned_between_plan_and_binding_counts(jobs: int) -> None:
    node = make.ready_backend(4)
    late, early = [job(2 * HOUR) for _ in range(jobs)], job(HOUR / 2)
    decisions = decide(GROUP)
    plan_maintenance(node)
    lease = acquire(GROUP)
    assert lease is not None
    apply(lease, *decisions)
    assert [status(one)[0] for one in (*late, early)] == ["WAITING"] * jobs + ["SUBMITTED"]


@pytest.mark.only_postgresql
def test_the_fast_path_uses_nodes_without_maintenance() -> None:
    kept, free = make.ready_backend(1), make.ready_backend(1)
    tick(GROUP)
    plan_maintenance(kept)
    first = job(2 * HOUR)
    few = load_short_queue(GROUP)
    assert few is not None
    assert {node.id for node in few.nodes} == {free.pk}
    assert try_fast_path(GROUP)
    assert status(first)[0] == "SUBMITTED"
    second = job(None)
    assert not try_fast_path(GROUP)  # a cycle decides about nodes with maintenance
    tick(GROUP)
    assert status(second)[0] == "SUBMITTED"


def test_a_reserved_sda_takes_no_node_with_a_window() -> None:
    node = make.ready_backend(2)
    plan_maintenance(node)
    with pytest.raises(NotEnoughDevices) as refused:
        create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    assert refused.value.details == {"needed": 1, "available": 0, "missing": 1}


def test_a_job_on_a_reserved_sda_must_be_over_before_the_window() -> None:
    node = make.ready_backend(1)
    sda = create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    plan_maintenance(node)
    long = make.job(sda, time_limit=2 * HOUR)
    params = DryRunParams(sda.token, 1, GROUP, sda, time_limit=2 * HOUR)
    waits = dry_run(params).waits
    assert waits is not None
    assert waits.reason == PendingReason.MAINTENANCE
    tick(GROUP)
    assert status(long) == ("WAITING", "MAINTENANCE", 1, 0)
    Job.objects.filter(pk=long.pk).update(time_limit=HOUR / 2)
    tick(GROUP)
    assert status(long)[0] == "SUBMITTED"


def test_drained_reserved_devices_are_reserved_again_when_it_ends() -> None:
    node = make.ready_backend(1)
    sda = create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    window = plan_maintenance(node, starts=-HOUR, lasts=2 * HOUR)
    work.maintain()
    assert make.statuses(node) == ["SHUTDOWN"]
    assert Event.objects.get(action="NOTICE_MAINTENANCE").subject == f"sda/{sda.pk}"
    end_window(window, actor=make.ACTOR)
    work.maintain()
    assert make.statuses(node) == ["PREPARING"]


def test_customers_whose_jobs_may_overlap_are_told_and_told_again() -> None:
    node = make.ready_backend(3)
    over_before, overlaps, endless = job(HOUR / 2), job(2 * HOUR), job(None)
    tick(GROUP)
    make.answer(node, "START")
    known = {one.pk: 0 for one in (over_before, overlaps, endless)}
    revisions = dict(Job.objects.values_list("pk", "revision"))
    window = plan_maintenance(node)
    work.maintain()
    told = Event.objects.filter(action="NOTICE_MAINTENANCE").order_by("subject")
    assert list(told.values_list("subject", "token_id")) == [
        (f"job/{one.pk}", one.token_id) for one in (overlaps, endless)
    ]
    assert {pk: new - revisions[pk] for pk, new in Job.objects.values_list("pk", "revision")} == {
        over_before.pk: 0, overlaps.pk: 1, endless.pk: 1,
    }  # fmt: skip
    from_ms = {update.job_id: update.maintenance_from_ms for update in read_updates(known)}
    assert from_ms == {over_before.pk: 0, overlaps.pk: to_ms(window.starts_at), endless.pk: to_ms(window.starts_at)}
    end_window(window, actor=make.ACTOR)
    work.maintain()
    assert Event.objects.filter(action="WITHDRAW_MAINTENANCE").count() == 2
    assert not any(update.HasField("maintenance_from_ms") for update in read_updates(known))


def test_who_holds_the_nodes_is_listed_with_expected_ends() -> None:
    node = make.ready_backend(3)
    limited, endless = job(2 * HOUR), job(None)
    tick(GROUP)
    sda = create_sda(make.token(description="keeps"), make.sda_model(1), reserved=True, actor=make.ACTOR)
    found = {(one.job, one.sda): (one.devices, one.basis) for one in held_on([node.pk])}
    assert found == {
        (limited.pk, limited.sda_id): (1, EndBasis.LIMIT),
        (endless.pk, endless.sda_id): (1, None),
        (None, sda.pk): (1, None),
    }
    limited.refresh_from_db()
    assert limited.submitted_at
    ends = {one.job: one.ends_at for one in held_on([node.pk])}
    assert ends[limited.pk] == limited.submitted_at + 2 * HOUR


def test_a_snapshot_has_the_windows_of_its_group_only() -> None:
    node = make.ready_backend(1)
    window = plan_maintenance(node)
    snapshot = load(GROUP)
    until = to_ms(window.starts_at)
    assert [one.until_ms for one in snapshot.nodes] == [until]
    assert snapshot.maintenance == {node.pk: ((until, to_ms(window.ends_at), 0),)}
    assert JobStatus.WAITING not in Job.objects.values_list("status", flat=True)
