"""Usage from allocations: hours closed exactly once, and an audit that finds any difference."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, BackendGroup, Device
from core.clock import db_now, to_ms
from scheduler.choices import Cause
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.services.jobs import cancel_job, finish_job, preempt_job
from tests import make
from usage.audit import audit_usage
from usage.calendar import HOUR
from usage.capacity import Capacity, capacities, capacity_of, total_devices
from usage.models import ClosedHour, UsageHour
from usage.queries import UsageReport, device_ms_of, usage_of
from usage.services import close_hours, recount_hours

pytestmark = pytest.mark.django_db
NINE = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=2)


def _held(minutes_from: int, minutes_to: int | None, *, index: int = 0) -> Allocation:
    """Let a new token hold one device from and until so many minutes after nine."""
    device = Device.objects.filter(index=index).first() or make.backend(4).devices.get(index=index)
    Device.objects.update(created_at=None)  # it was there before
    sda = make.sda()
    return Allocation.objects.create(
        sda=sda,
        token=sda.token,
        device=device,
        started_at=NINE + timedelta(minutes=minutes_from),
        ended_at=None if minutes_to is None else NINE + timedelta(minutes=minutes_to),
    )


def test_each_hour_gets_its_share_to_the_millisecond() -> None:
    row = _held(50, 130)
    Allocation.objects.filter(pk=row.pk).update(ended_at=row.ended_at + timedelta(milliseconds=7))  # type: ignore[operator]
    close_hours()
    stored = UsageHour.objects.order_by("hour").values_list("hour", "token", "device_ms")
    assert list(stored) == [
        (NINE, row.token_id, 10 * 60_000),
        (NINE + HOUR, row.token_id, 60 * 60_000),
        (NINE + 2 * HOUR, row.token_id, 10 * 60_000 + 7),
    ]


def test_closing_again_changes_nothing_and_nothing_is_left_out() -> None:
    _held(0, 30)
    closed = close_hours()
    assert closed == ClosedHour.objects.count() > 24
    assert close_hours() == 0


def test_the_current_hour_stays_open() -> None:
    _held(0, None)
    close_hours()
    last = ClosedHour.objects.order_by("-hour").first()
    assert last
    assert last.hour + HOUR <= db_now()


def test_usage_of_a_range_is_cut_at_both_ends() -> None:
    first = _held(0, 60)
    second = _held(30, 90, index=1)
    report = usage_of(NINE + timedelta(minutes=15), NINE + timedelta(minutes=75))
    assert (report.total.minimum, report.total.maximum, report.total.device_ms) == (1, 2, 90 * 60_000)
    assert [(row.token_id, row.held.device_ms) for row in report.tokens] == [
        (first.token_id, 45 * 60_000),
        (second.token_id, 45 * 60_000),
    ]
    assert report.total_devices == 4
    assert report.percent(report.total.maximum) == Fraction(50)


def test_percentages_of_a_young_installation_are_of_its_devices_since_there_were_any() -> None:
    _held(0, 60)
    Device.objects.update(created_at=NINE)
    week = usage_of(NINE - timedelta(days=7), NINE + timedelta(hours=1))
    device_ms = 60 * 60_000
    there = Device.objects.count()
    assert (week.total.minimum, week.total.maximum, week.total.device_ms) == (0, 1, device_ms)
    assert week.capacity == Capacity(there * device_ms, device_ms)
    assert week.percent(week.total.maximum) == week.average_percent == Fraction(100, there)
    assert (week.average, week.total.average) == (Fraction(1), Fraction(1, 7 * 24 + 1))
    before = usage_of(NINE - timedelta(days=7), NINE - timedelta(days=6))
    assert (before.percent(1), before.average) == (Fraction(0), Fraction(0))


def test_capacity_counts_devices_from_their_creation_until_their_node_was_deleted() -> None:
    gone, young, old = make.backend(2), make.backend(1), make.backend(4)
    Device.objects.filter(backend__in=[gone, old]).update(created_at=NINE)
    Device.objects.filter(backend=young).update(created_at=NINE + timedelta(minutes=15))
    Backend.objects.filter(pk=gone.pk).update(deleted_at=NINE + timedelta(minutes=30))
    Backend.objects.filter(pk=old.pk).update(deleted_at=NINE)
    minute = 60_000
    assert capacity_of(NINE - HOUR, NINE + HOUR) == Capacity((2 * 30 + 45) * minute, 60 * minute)
    bounds = [NINE - HOUR, NINE, NINE + timedelta(minutes=20), NINE + HOUR]
    assert capacities(bounds) == [
        Capacity(),
        Capacity((2 * 20 + 5) * minute, 20 * minute),
        Capacity((2 * 10 + 40) * minute, 40 * minute),
    ]
    assert total_devices() == 1


@pytest.mark.parametrize(("minutes", "closed"), [(61.999, 0), (62, 1), (121.999, 1), (122, 2)])
def test_an_hour_is_closed_when_all_that_began_in_it_is_committed(
    minutes: float, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _held(0, 30)
    monkeypatch.setattr("usage.services.db_now", lambda: NINE + timedelta(minutes=minutes))
    assert close_hours() == closed


def test_closed_hours_measure_exactly_as_the_allocations_do() -> None:
    """Edges within hours, an hour in which a token holds nothing, two tokens, one still holding."""
    first = _held(20, 130)
    second = _held(150, 400, index=1)
    Allocation.objects.create(
        sda=first.sda, token=first.token, device=make.backend(4).devices.get(index=2), started_at=NINE + 4 * HOUR
    )
    spans = [(10, 300), (0, 60), (60, 180), (61, 62), (-600, 45), (200, 100_000)]
    requested = [(NINE + timedelta(minutes=a), NINE + timedelta(minutes=b)) for a, b in spans]
    tokens = (None, first.token, second.token)

    def measure() -> list[object]:
        return [_reported(usage_of(*span, token)) for span in requested[:5] for token in tokens]

    by_allocations = measure()
    close_hours()
    hours = CaptureQueriesContext(connection)
    with hours:
        assert measure() == by_allocations
    assert any("usage_usagehour" in query["sql"] for query in hours)
    whole = usage_of(*requested[5])
    assert (whole.total.minimum, whole.total.maximum) == (1, 2)
    assert whole.total.device_ms == sum(row.held.device_ms for row in whole.tokens)


def _reported(report: UsageReport) -> object:
    return report.total, [(row.token_id, row.held) for row in report.tokens], report.total_devices


def test_usage_of_one_token_leaves_the_others_out() -> None:
    first = _held(0, 60)
    _held(0, 60, index=1)
    report = usage_of(NINE, NINE + HOUR, first.token)
    assert (len(report.tokens), report.total.device_ms) == (1, 3_600_000)


def test_the_audit_finds_no_difference_and_prints_how_much_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    _held(0, 30)
    close_hours()
    call_command("prove")
    text = f"Usage adds up: 1 allocations, 1800000 device-ms rolled up in {ClosedHour.objects.count()} closed hours"
    assert capsys.readouterr().out == f"{text}, 0 days and 0 months, 0 device-ms since.\n"


def test_the_audit_has_the_time_since_the_last_closed_hour() -> None:
    _held(0, 90)
    assert (audit_usage().hours, audit_usage().device_ms, audit_usage().device_ms_since) == (0, 0, 5_400_000)
    recount_hours(NINE, NINE + HOUR, actor=make.ACTOR)
    assert (audit_usage().hours, audit_usage().device_ms, audit_usage().device_ms_since) == (1, 3_600_000, 1_800_000)


def test_the_audit_finds_a_changed_hour_a_lost_one_and_an_overlap() -> None:
    _held(0, 30)
    _held(60, 90)
    close_hours()
    UsageHour.objects.filter(hour=NINE).update(device_ms=1)
    assert [line.partition(": ")[2] for line in audit_usage().differences] == [
        "stored 1 ms, 0 to 1 at once, is 1800000 ms, 0 to 1 at once"
    ]
    ClosedHour.objects.filter(hour=NINE).update(maximum=2)
    UsageHour.objects.all().delete()
    assert len(audit_usage().differences) == 3  # two hours of tokens, and the total of one
    with pytest.raises(CommandError, match="3 differences"):
        call_command("prove")


def _preempted_and_run_again() -> Job:
    """Let a job lose its device to another one, which is canceled, run again and end."""
    BackendGroup.objects.update(preempt=True)
    node = make.ready_backend(1)
    job, other = make.running_job(node), make.job(make.sda(owner=make.token(priority=5)))
    Job.objects.filter(pk=job.pk).update(preempt_at=db_now(), preempted_by=other.pk)
    assert preempt_job(job.pk)
    cancel_job(other, cause=Cause.BY_USER, actor=make.ACTOR)
    make.answer(node)
    tick(0)
    make.answer(node)
    finish_job(Job.objects.get(pk=job.pk), exit_code=0, actor=make.ACTOR)
    assert Job.objects.get(pk=job.pk).attempt == 2
    return job


def test_the_audit_finds_no_difference_for_a_job_that_was_preempted_and_ran_again() -> None:
    _preempted_and_run_again()
    assert (audit_usage().allocations, audit_usage().differences) == (2, [])


def test_the_audit_finds_an_attempt_with_too_few_devices_or_a_late_end() -> None:
    job = _preempted_and_run_again()
    first, second = Allocation.objects.filter(job=job).order_by("pk")
    Allocation.objects.filter(pk=second.pk).update(ended_at=second.ended_at + timedelta(milliseconds=1))  # type: ignore[operator]
    assert audit_usage().differences == [f"job {job.pk}: allocation {second.pk} did not end with it"]
    Allocation.objects.filter(pk=second.pk).delete()
    assert audit_usage().differences == [f"job {job.pk}: no allocations for 1 devices"]
    Job.objects.filter(pk=job.pk).update(num_devices=2)
    assert audit_usage().differences == [
        f"job {job.pk}: 1 allocations at {first.started_at.isoformat()} for 2 devices",
        f"job {job.pk}: no allocations for 2 devices",
    ]


def test_the_audit_finds_an_allocation_of_another_customer_or_sda() -> None:
    job = make.running_job(make.ready_backend(1))
    allocation, other = Allocation.objects.get(), make.sda()
    Allocation.objects.update(token=other.token)
    whose = f"scheduler_allocation {allocation.pk}"
    assert audit_usage().differences == [f"{whose} token_id: is {other.token_id}, but SDA {job.sda_id} is of another"]
    Allocation.objects.update(sda=other)
    assert audit_usage().differences == [f"{whose} sda_id: is {other.pk}, but job {job.pk} is of another"]


@pytest.mark.parametrize("wrong", [timedelta(milliseconds=1), timedelta(hours=-1)])
def test_the_audit_finds_a_closed_period_that_does_not_end_with_the_next(wrong: timedelta) -> None:
    _held(0, 30)
    close_hours()
    first, second = ClosedHour.objects.order_by("hour")[:2]
    last = ClosedHour.objects.latest("hour")
    for hour, end in ((first, f"{first.until + wrong}, but the next begins at {second.hour}"), (last, "")):
        ClosedHour.objects.filter(pk=hour.pk).update(until=hour.until + wrong)
        (found,) = audit_usage().differences
        assert found == f"usage_closedhour {hour.hour} until: is {end or hour.until + wrong}"
        ClosedHour.objects.filter(pk=hour.pk).update(until=hour.until)


@pytest.mark.only_sqlite
def test_the_audit_finds_overlapping_allocations() -> None:
    """PostgreSQL refuses them, so only SQLite can have them."""
    _held(0, 30)
    _held(29, 40)
    assert [line.split(":")[0][:6] for line in audit_usage().differences] == ["device"]


def test_use_is_summed_from_closed_hours_and_what_is_not_closed_yet() -> None:
    first, second, idle = _held(50, 130), _held(0, None, index=1), make.token()
    for closed in (False, True):
        if closed:
            close_hours()
        before = db_now()
        use = device_ms_of([first.token_id, second.token_id, idle.pk], NINE + HOUR)
        held_ms = use[second.token_id][1] - 60 * 60_000
        assert use[first.token_id] == (70 * 60_000, 80 * 60_000)
        assert use[second.token_id][0] == held_ms
        assert 0 <= held_ms - to_ms(before) + to_ms(NINE + HOUR) < 10_000
        assert idle.pk not in use
