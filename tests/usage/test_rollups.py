"""Usage of any range out of roll-ups is what the intervals say, in zones of every kind, to the millisecond."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from backends.models import Device
from core.clock import to_ms
from scheduler.models import Allocation, Job
from tests import make
from tests.turns import by_turns
from tokens.models import Token
from usage.audit import audit_usage
from usage.calendar import Unit, bounds
from usage.intervals import UsageKind, intervals, stays
from usage.metering import Times, held, times
from usage.models import ClosedDay, ClosedHour, ClosedMonth
from usage.queries import usage_by, usage_of
from usage.rollups.cover import cover
from usage.services import recount_hours

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]
DAY_MS = 86_400_000
# When clocks change, and how: not at all, by an hour, by half an hour, between the hours, at midnight.
ZONES = {
    "Asia/Seoul": datetime(2025, 3, 20, tzinfo=UTC),
    "Europe/Berlin": datetime(2025, 3, 20, tzinfo=UTC),
    "America/New_York": datetime(2024, 10, 25, tzinfo=UTC),
    "Asia/Kolkata": datetime(2025, 3, 20, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2025, 3, 25, tzinfo=UTC),
    "America/Havana": datetime(2025, 2, 25, tzinfo=UTC),
}
times_ = st.integers(0, 45 * DAY_MS)
lengths = st.integers(0, 12 * DAY_MS) | st.integers(0, 7_200_000)
rows = st.lists(st.tuples(times_, lengths, lengths, st.integers(0, 3), st.booleans()), min_size=1, max_size=8)
ranges = st.lists(st.tuples(times_, times_ | st.just(100 * DAY_MS)), min_size=2, max_size=4)


@pytest.mark.parametrize("zone", by_turns(ZONES))
def test_any_range_out_of_roll_ups_is_what_the_intervals_say(zone: str, settings: Any) -> None:
    settings.TIME_ZONE = zone
    begin = ZONES[zone]
    sdas = [make.sda() for _ in range(4)]
    sdas[3] = make.sda(owner=make.token(max_sda_count=2))
    jobs = [_past_job(sda) for sda in sdas]
    devices = list(make.backend(8, device_model="MI250").devices.all())
    Device.objects.filter(index__gte=4).update(model="MI300")

    @examples(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rows, ranges)
    def invariant(drawn: Any, requested: Any) -> None:
        with transaction.atomic():
            for device, (start, length, ready, whose, reserved) in zip(devices, drawn, strict=False):
                at = begin + timedelta(milliseconds=start)
                Allocation.objects.create(
                    job=None if reserved else jobs[whose],
                    sda=sdas[whose],
                    token_id=sdas[whose].token_id,
                    device=device,
                    started_at=at,
                    ready_at=at + timedelta(milliseconds=min(ready, length)),
                    ended_at=at + timedelta(milliseconds=length),
                )
            recount_hours(begin, begin + timedelta(days=58), actor=make.ACTOR)
            for first, last in requested:
                _compare(begin + timedelta(milliseconds=first), begin + timedelta(milliseconds=last))
            assert [line for line in audit_usage().differences if not line.startswith("job ")] == []
            transaction.set_rollback(True)

    invariant()


def _past_job(sda: Any) -> Job:
    job = make.job(sda)
    Job.objects.filter(pk=job.pk).update(status="COMPLETED", ended_at=job.requested_at)
    return job


def _compare(start: datetime, end: datetime) -> None:
    report = usage_of(start, end)
    if start >= end:
        assert report.tokens == []
        return
    span = to_ms(start), to_ms(end)
    found = list(intervals(start, end))
    by_token = defaultdict(list)
    for one in found:
        by_token[one.key].append(one)
    wanted = {pk: held(mine, *span) for pk, mine in by_token.items()}
    assert {row.token_id: row.held for row in report.tokens} == {pk: one for pk, one in wanted.items() if one.maximum}
    assert report.total == held(found, *span)
    kinds = times(stays(start, end), *span)
    assert usage_by(start, end, UsageKind._fields) == {tuple(kind): one for kind, one in kinds.items()}
    for pk, mine in wanted.items():
        alone = usage_of(start, end, Token.objects.get(pk=pk))
        assert alone.total == mine
        assert [row.held for row in alone.tokens] == [mine] * (mine.maximum > 0)
    models: defaultdict[tuple[Any, ...], Times] = defaultdict(Times)
    for kind, theirs in kinds.items():
        models[(kind.device_model,)] += theirs
    assert usage_by(start, end, ["device_model"]) == dict(models)


def test_days_of_23_and_25_hours_and_the_month_they_are_in(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    start, end = datetime(2025, 2, 28, 23, tzinfo=UTC), datetime(2025, 3, 31, 22, tzinfo=UTC)
    sda = make.sda()
    device = make.backend(1).devices.get()
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=end)
    recount_hours(start, end, actor=make.ACTOR)
    days = ClosedDay.objects.filter(day__gte=start, until__lte=end).order_by("day")
    hours = [row.device_ms // 3_600_000 for row in days]
    assert hours == [24] * 29 + [23] + [24]
    assert ClosedMonth.objects.get(month=start).device_ms == sum(hours) * 3_600_000
    pieces = cover(start - timedelta(minutes=30), end)
    assert [(piece.grain and piece.grain.name, len(piece.starts)) for piece in pieces] == [(None, 0), ("month", 1)]


def test_hours_of_a_zone_between_hours_are_utc_and_its_days_are_its_own(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    start = datetime(2025, 3, 1, 18, 30, tzinfo=UTC)
    sda = make.sda()
    device = make.backend(1).devices.get()
    until = start + timedelta(days=2, milliseconds=7)
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=until)
    recount_hours(start, until + timedelta(days=2), actor=make.ACTOR)
    assert list(ClosedDay.objects.order_by("day").values_list("day", "device_ms", "minimum")[:4]) == [
        (start - timedelta(days=1), 0, 0),
        (start, DAY_MS, 1),
        (start + timedelta(days=1), DAY_MS, 1),
        (start + timedelta(days=2), 7, 0),
    ]
    assert ClosedHour.objects.order_by("hour").values_list("device_ms", flat=True).first() == 1_800_000
    kolkata = bounds(start, until, Unit.DAY, start.tzinfo or UTC)
    assert len(kolkata) == 4
