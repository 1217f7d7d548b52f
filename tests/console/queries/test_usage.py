"""Reports by token, user group and backend group: exact figures, and rows that add up to the total."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from backends.services.groups import create_backend_group
from console.queries import usage
from console.queries.periods import Period
from console.queries.usage import UNGROUPED, By, jobs_of, usage_report, with_extremes, with_names
from sda.services.models import add_model_to_group, create_membership, create_sda_model_group
from sda.services.sdas import create_sda
from tests import make
from tests.console.allocations import HOUR, MINUTE, NINE, hold
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group, delete_token_group
from usage.metering import HeldDevices
from usage.services import recount_hours

pytestmark = pytest.mark.django_db
MIN = 60_000
OVER = (NINE + 30 * MINUTE, NINE + 150 * MINUTE)


def usage_of_two_hours() -> tuple[Token, Token]:
    """Make a token with 30 + 60 minutes of a device and 20 of another, and one that holds three devices for an hour."""
    node, first, second = make.backend(8), make.token(), make.token()
    hold(first, node, NINE, NINE + HOUR, index=0)
    hold(first, node, NINE + 90 * MINUTE, NINE + 300 * MINUTE, index=0)
    hold(first, node, NINE + 100 * MINUTE, NINE + 120 * MINUTE, index=1)
    for index in (2, 3, 4):
        hold(second, node, NINE + HOUR, NINE + 2 * HOUR, index=index)
    return first, second


def over() -> Period:
    recount_hours(NINE, NINE + HOUR, actor=make.ACTOR)
    recount_hours(NINE + HOUR, NINE + HOUR + HOUR, actor=make.ACTOR)
    return Period(*OVER)


def figures(found: usage.Report) -> list[tuple[int | str, int]]:
    return [(row.key, row.device_ms) for row in found.rows]


def test_tokens_come_by_their_device_time_and_add_up() -> None:
    first, second = usage_of_two_hours()
    found = usage_report(over(), By.TOKEN)
    assert figures(found) == [(second.pk, 180 * MIN), (first.pk, 110 * MIN)]
    assert (found.total_ms, found.repeated_ms) == (290 * MIN, 0)
    rows, everybody = with_extremes(found, with_names(By.TOKEN, found.rows))
    assert [row.holder for row in rows] == [second, first]
    span_ms = 120 * MIN
    assert [row.held for row in rows] == [HeldDevices(0, 3, 180 * MIN, span_ms), HeldDevices(0, 2, 110 * MIN, span_ms)]
    assert everybody == HeldDevices(1, 5, 290 * MIN, span_ms)


def test_one_token_alone_is_measured_alone() -> None:
    first, _second = usage_of_two_hours()
    found = usage_report(over(), By.TOKEN, [first.pk])
    assert figures(found) == [(first.pk, 110 * MIN)]
    assert with_extremes(found, found.rows)[1] == HeldDevices(0, 2, 110 * MIN, 120 * MIN)


def _group(name: str, *tokens: Token) -> TokenGroup:
    return create_token_group(name=name, actor=make.ACTOR, tokens=tokens)


def test_what_a_token_in_two_groups_counts_twice_is_taken_off() -> None:
    first, second = usage_of_two_hours()
    one, two = _group("one", first, second), _group("two", second)
    found = usage_report(over(), By.GROUP)
    assert figures(found) == [(one.pk, 290 * MIN), (two.pk, 180 * MIN)]
    assert (found.total_ms, found.repeated_ms) == (290 * MIN, 180 * MIN)
    assert sum(row.device_ms for row in found.rows) - found.repeated_ms == found.total_ms
    rows, everybody = with_extremes(found, found.rows)
    assert [row.held for row in rows] == [
        HeldDevices(1, 5, 290 * MIN, 120 * MIN),
        HeldDevices(0, 3, 180 * MIN, 120 * MIN),
    ]
    assert everybody == HeldDevices(1, 5, 290 * MIN, 120 * MIN)


def test_tokens_in_no_group_have_a_row_of_their_own() -> None:
    first, second = usage_of_two_hours()
    group = _group("one", first)
    found = usage_report(over(), By.GROUP)
    assert figures(found) == [(UNGROUPED, 180 * MIN), (group.pk, 110 * MIN)]
    assert [row.holder for row in with_names(By.GROUP, found.rows)] == [None, group]
    assert figures(usage_report(over(), By.TOKEN, [first.pk])) == [(first.pk, 110 * MIN)]
    assert second.groups.count() == 0


def test_a_deleted_group_is_no_group_any_more() -> None:
    first, _second = usage_of_two_hours()
    group = _group("one", first)
    delete_token_group(group, actor=make.ACTOR, force=True)
    assert figures(usage_report(over(), By.GROUP)) == [(UNGROUPED, 290 * MIN)]


def test_backend_groups_are_those_of_the_jobs_and_of_reserved_sdas() -> None:
    first, _second = usage_of_two_hours()
    far = create_backend_group(name="far", actor=make.ACTOR)
    node = make.backend(2, group=far)
    models = create_sda_model_group(name="models", backend_group=far, actor=make.ACTOR)
    model = make.sda_model()
    add_model_to_group(model, models, actor=make.ACTOR)
    create_membership(_group("one", first), models, actor=make.ACTOR)
    first.max_sda_count = 3
    first.save()
    hold(create_sda(first, model, actor=make.ACTOR), node, NINE, NINE + 40 * MINUTE)
    hold(make.sda(), node, NINE + 35 * MINUTE, None, index=1, with_job=False)
    found = usage_report(over(), By.BACKENDS)
    assert figures(found) == [(0, 405 * MIN), (far.pk, 10 * MIN)]
    assert found.total_ms == usage_report(over(), By.TOKEN).total_ms == 415 * MIN
    rows, _everybody = with_extremes(found, with_names(By.BACKENDS, found.rows))
    assert [str(row.holder) for row in rows] == ["default_backend_group", "far"]
    assert rows[1].held == HeldDevices(0, 1, 10 * MIN, 120 * MIN)


def test_models_of_sdas_and_of_devices_add_up() -> None:
    first, second = usage_of_two_hours()
    node = make.backend(1, device_model="MI300")
    hold(second, node, NINE + HOUR, NINE + 2 * HOUR)
    one, two = (token.sdas.get().model for token in (first, second))
    found = usage_report(over(), By.MODELS)
    assert figures(found) == [(two.pk, 240 * MIN), (one.pk, 110 * MIN)]
    rows, _everybody = with_extremes(found, with_names(By.MODELS, found.rows))
    assert [(row.holder, row.held and row.held.maximum) for row in rows] == [(two, 4), (one, 2)]
    rows = with_names(By.DEVICES, usage_report(over(), By.DEVICES).rows)
    assert [(row.holder, row.device_ms) for row in rows] == [(None, 290 * MIN), ("MI300", 60 * MIN)]


def test_too_many_allocations_leave_lowest_and_highest_out(monkeypatch: pytest.MonkeyPatch) -> None:
    usage_of_two_hours()
    found = usage_report(over(), By.BACKENDS)
    monkeypatch.setattr(usage, "MOST_ALLOCATIONS", 5)
    rows, everybody = with_extremes(found, found.rows)
    assert ([row.held for row in rows], everybody) == ([None], None)
    tokens = usage_report(over(), By.TOKEN)
    assert None not in (with_extremes(tokens, tokens.rows)[1], *(row.held for row in tokens.rows))
    monkeypatch.setattr(usage, "MOST_ALLOCATIONS", 6)
    assert with_extremes(found, found.rows)[1] is not None


def test_the_jobs_of_a_token_add_up_to_it() -> None:
    first, second = usage_of_two_hours()
    hold(first, make.backend(1), NINE + 140 * MINUTE, None, with_job=False)
    found = list(jobs_of(over(), first))
    assert [row["held"] for row in found] == [timedelta(minutes=minutes) for minutes in (60, 30, 20, 10)]
    assert [(bool(row["job"]), row["open"], row["devices"]) for row in found] == [
        (True, 0, 1), (True, 0, 1), (True, 0, 1), (False, 1, 1)
    ]  # fmt: skip
    total = sum((row["held"] for row in found), timedelta())
    assert total // timedelta(milliseconds=1) == usage_report(over(), By.TOKEN, [first.pk]).total_ms
    assert [row["devices"] for row in jobs_of(over(), second)] == [1, 1, 1]


@pytest.mark.parametrize("by", By)
def test_the_queries_do_not_grow_with_the_rows(by: By, django_assert_num_queries: Any) -> None:
    queries = {By.TOKEN: 9, By.GROUP: 9, By.BACKENDS: 8, By.MODELS: 8, By.DEVICES: 7}[by]
    if connection.vendor == "postgresql" and by in usage.FIELDS:
        queries += 1  # there the clock is read by a query
    for _ in range(2):
        usage_of_two_hours()
        cut = over()
        with django_assert_num_queries(queries):
            found = usage_report(cut, by)
            with_extremes(found, with_names(by, found.rows))
