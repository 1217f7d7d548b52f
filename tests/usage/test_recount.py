"""Hours that were closed are counted again after history was added to them."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from core.clock import db_now
from events.models import Event
from scheduler.models import Allocation
from tests import make
from usage.audit import audit_usage
from usage.calendar import HOUR, Unit, floor
from usage.models import ClosedDay, ClosedHour, ClosedMonth, UsageHour
from usage.rollups.grains import HOURS
from usage.rollups.periods import clear
from usage.services import close_hours, recount_hours, roll_up, settled_until

pytestmark = pytest.mark.django_db


def _hold(start: datetime, end: datetime) -> None:
    sda = make.sda()
    device = make.backend(1).devices.get()
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=end)


def test_a_closed_hour_takes_in_what_was_added_and_others_stay() -> None:
    start = settled_until() - 10 * HOUR
    _hold(start, start + 10 * HOUR)
    close_hours()
    untouched = ClosedHour.objects.get(hour=start + 5 * HOUR).closed_at
    added = start + timedelta(minutes=30)
    _hold(added, added + HOUR)
    assert len(audit_usage().differences) == 6  # two hours, each of the token, of its kind and in all
    assert recount_hours(added, added + HOUR, actor=make.ACTOR) == 2
    assert audit_usage().differences == []
    totals = ClosedHour.objects.order_by("hour").values_list("device_ms", flat=True)
    assert list(totals) == [5_400_000, 5_400_000] + [3_600_000] * 8
    assert ClosedHour.objects.get(hour=start + 5 * HOUR).closed_at == untouched
    assert Event.objects.get(action="RECOUNT_USAGE").request == {
        "start": start.isoformat(),
        "end": (start + 2 * HOUR).isoformat(),
    }


def test_again_gives_the_same() -> None:
    start = settled_until() - 3 * HOUR
    _hold(start, start + timedelta(milliseconds=7))
    assert [recount_hours(start, start + HOUR, actor=make.ACTOR) for _ in range(2)] == [1, 1]
    assert list(UsageHour.objects.values_list("hour", "device_ms")) == [(start, 7)]
    assert close_hours() == 2
    assert audit_usage().differences == []


def test_an_hour_that_is_not_over_stays_open() -> None:
    now = db_now()
    _hold(settled_until() - HOUR, now)
    assert recount_hours(settled_until() - HOUR, now, actor=make.ACTOR) == 1
    assert ClosedHour.objects.count() == 1


def test_weeks_are_counted_in_pieces_that_fit_together() -> None:
    start = settled_until() - timedelta(days=20)
    _hold(start, start + timedelta(days=16))
    assert recount_hours(start, start + timedelta(days=16), actor=make.ACTOR) == 16 * 24
    assert set(UsageHour.objects.values_list("device_ms", flat=True)) == {3_600_000}
    assert UsageHour.objects.count() == 16 * 24
    assert audit_usage().differences == []


def test_days_and_months_follow_their_hours() -> None:
    start = settled_until() - timedelta(days=70)
    _hold(start, start + timedelta(days=65))
    recount_hours(start, start + timedelta(days=65), actor=make.ACTOR)
    assert (ClosedDay.objects.count() >= 64, ClosedMonth.objects.count() >= 1) == (True, True)
    added = start + timedelta(days=20)
    _hold(added, added + timedelta(hours=30))
    assert {line.split()[0] for line in audit_usage().differences} == {"hour", "day", "month"}
    local = timezone.localtime(added)
    call_command("recount_usage", f"{local:%Y-%m-%dT%H:%M}", (local + timedelta(hours=30)).isoformat())
    assert audit_usage().differences == []


def test_history_before_all_that_is_closed_is_joined_to_it_without_a_gap() -> None:
    late = settled_until() - timedelta(days=3)
    _hold(late, late + timedelta(days=3))
    roll_up()
    early = late - timedelta(days=30)
    _hold(early, early + timedelta(days=1))
    recount_hours(early, early + timedelta(days=1), actor=make.ACTOR)
    hours = list(ClosedHour.objects.order_by("hour").values_list("hour", flat=True))
    assert hours == [hours[0] + number * HOUR for number in range(len(hours))]
    days = list(ClosedDay.objects.order_by("day").values_list("day", "until"))
    assert [end for _start, end in days[:-1]] == [start for start, _end in days[1:]]
    assert (hours[0], audit_usage().differences) == (early, [])
    assert days[0][0] == floor(early, Unit.DAY, timezone.get_default_timezone())


def test_hours_between_closed_ones_and_the_requested_ones_are_counted_too() -> None:
    start = settled_until() - 10 * HOUR
    _hold(start, start + 10 * HOUR)
    assert close_hours(start + 2 * HOUR) == 2
    assert recount_hours(start + 5 * HOUR, start + 6 * HOUR, actor=make.ACTOR) == 4
    hours = ClosedHour.objects.order_by("hour").values_list("hour", "device_ms")
    assert list(hours) == [(start + number * HOUR, 3_600_000) for number in range(6)]


LATE = {
    "an end in a closed hour": (None, 90, (7_200_000, 1_800_000), 5_400_000),
    "another allocation that began in one": (30, 120, (10_800_000, 16_200_000), 16_200_000),
}


@pytest.mark.parametrize("case", LATE)
def test_what_comes_late_corrects_closed_hours_and_is_recorded(case: str) -> None:
    begun, ended, figures, altogether = LATE[case]
    start = settled_until() - 3 * HOUR
    _hold(start, db_now())
    Allocation.objects.update(ended_at=None)
    roll_up()
    assert not Event.objects.filter(action="CORRECT_USAGE").exists()
    until = start + timedelta(minutes=ended)
    if begun is None:
        Allocation.objects.update(ended_at=until)
    else:
        _hold(start + timedelta(minutes=begun), until)
    roll_up()
    assert sum(UsageHour.objects.values_list("device_ms", flat=True)) == altogether
    assert audit_usage().differences == []
    event = Event.objects.get(action="CORRECT_USAGE").request
    assert (event["deviceMsBefore"], event["deviceMs"]) == figures
    roll_up()
    assert Event.objects.filter(action="CORRECT_USAGE").count() == 1


def test_older_closed_hours_are_checked_again_whenever_an_hour_is_closed() -> None:
    start = settled_until() - 60 * HOUR
    _hold(start, start + 51 * HOUR)
    roll_up()
    last = settled_until() - HOUR
    Allocation.objects.update(ended_at=start + 50 * HOUR)
    roll_up()
    assert not Event.objects.filter(action="CORRECT_USAGE").exists()  # ten hours ago: not at every beat
    clear(HOURS, last, last + HOUR)
    roll_up()
    assert Event.objects.filter(action="CORRECT_USAGE").count() == 1
    assert audit_usage().differences == []
