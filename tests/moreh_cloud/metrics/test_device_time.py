"""Device-seconds: exact to the millisecond, and never falling, whatever is closed meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from backends.models import BackendGroup
from core.clock import db_now
from scheduler.models import Allocation, Job
from sda.models import SdaModel
from sda.services.sdas import create_sda
from tests import make
from tests.console.allocations import HOUR, MINUTE, NINE, hold
from tests.console.jobs_data import group
from tests.moreh_cloud.metrics.scrape import KEY, Series, scrape, some
from tokens.models import Token
from usage.models import ClosedDay, ClosedHour, ClosedMonth
from usage.queries import SETTLE, usage_of
from usage.services import recount_hours, roll_up

pytestmark = pytest.mark.django_db
FAMILIES = tuple(f"moreh_{whose}device_seconds_total" for whose in ("", "group_", "sda_model_", "token_"))
HERE = "default_backend_group"
MS = timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY


def told() -> list[Series]:
    """Return what was used: in all, by group, by model, by token."""
    found = scrape()
    return [some(found[name]) for name in FAMILIES]


def world() -> tuple[Token, Token]:
    """Make two customers.

    One used an hour and 7 ms of a device, of which 10 minutes were preparation, and reserved one for 1 s; the other
    used two devices of another group for 90 minutes.
    """
    first, second = make.token(max_sda_count=2), make.token()
    node, far = make.backend(4), make.backend(4, group=group("far"))
    one = create_sda(first, make.sda_model(name="Small"), actor=make.ACTOR)
    two = create_sda(second, make.sda_model(2, name="Large"), actor=make.ACTOR)
    _note(hold(one, node, NINE, NINE + HOUR + 7 * MS), ready_at=NINE + 10 * MINUTE)
    for index in (0, 1):
        row = hold(two, far, NINE + 45 * MINUTE, NINE + 135 * MINUTE, index=index)
        _note(row, group=far.group, ready_at=row.started_at)
    hold(one, node, NINE + 2 * HOUR, NINE + 2 * HOUR + 1000 * MS, index=3, with_job=False)
    return first, second


def _note(row: Allocation, **fields: Any) -> None:
    Allocation.objects.filter(pk=row.pk).update(**fields)


def test_each_sum_is_exact() -> None:
    first, second = world()
    wanted: list[Series] = [
        {("preparing",): 600, ("processing",): 3000.007 + 10_800, ("reserved",): 1},
        {(HERE,): 3601.007, ("far",): 10_800},
        {("Small",): 3601.007, ("Large",): 10_800},
        {(str(first.pk),): 3601.007, (str(second.pk),): 10_800},
    ]
    assert told() == wanted
    assert sum(wanted[3].values()) * 1000 == usage_of(NINE, db_now()).total.device_ms


def test_closing_hours_days_and_months_changes_no_sum() -> None:
    world()
    before = told()
    for hours in (1, 2, 5):
        recount_hours(NINE, NINE + hours * HOUR, actor=make.ACTOR)
        assert told() == before
    recount_hours(NINE, NINE + timedelta(days=60), actor=make.ACTOR)
    assert all(rows.objects.exists() for rows in (ClosedHour, ClosedDay, ClosedMonth))
    assert told() == before


def test_what_is_held_now_grows_through_the_closing_of_its_hours() -> None:
    now = db_now()
    since = now - 3 * HOUR
    row = hold(make.token(), make.backend(1), since, None)
    sums = [_held_s(row, since)]
    roll_up()
    assert ClosedHour.objects.count() >= 2
    sums.append(_held_s(row, since))
    assert sums == sorted(sums)


def _held_s(row: Allocation, since: datetime) -> float:
    """Scrape, and check that all four sums are the time between now and two minutes ago."""
    first, found, last = db_now(), told(), db_now()
    (total,) = {value for series in found for value in series.values()}
    assert (first - SETTLE - since) <= timedelta(seconds=total) <= (last - SETTLE - since)
    assert found[3] == {(str(row.token_id),): total}
    return total


def test_an_end_that_was_committed_late_takes_nothing_back() -> None:
    row = hold(make.token(), make.backend(1), db_now() - HOUR, None)
    before = told()
    # As a transaction does that was under way meanwhile: it read the clock before, and is seen only now.
    _note(row, ended_at=db_now() - MINUTE)
    Job.objects.filter(token=row.token_id).update(status="COMPLETED", ended_at=db_now() - MINUTE)
    after = told()
    for series in (0, 1, 2, 3):
        assert sum(before[series].values()) <= sum(after[series].values()) <= 59 * 60


def test_a_new_group_or_model_of_an_old_name_goes_on_where_it_was() -> None:
    world()
    for model, name in ((BackendGroup, "far"), (SdaModel, "Large")):
        model.objects.filter(name=name).update(deleted_at=db_now())
    group("far")
    make.sda_model(name="Large")
    found = scrape()
    assert found["moreh_group_device_seconds_total"] == {(HERE,): 3601.007, ("far",): 10_800}
    assert found["moreh_sda_model_device_seconds_total"] == {("Small",): 3601.007, ("Large",): 10_800}


def test_tokens_are_left_out_where_that_is_wished(settings: Any) -> None:
    world()
    whole = scrape()
    settings.MOREH_METRICS_TOKENS = False
    told = scrape()
    assert whole.keys() - told.keys() == {FAMILIES[3]}
    assert [told[name] for name in FAMILIES[:3]] == [whole[name] for name in FAMILIES[:3]]
