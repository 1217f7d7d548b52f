"""What becomes of the items of a bulk action when rights or rows go, and when an item fails."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django.db.models import Q
from django.utils import translation

from accounts.choices import Role
from accounts.models import Operator
from backends.services.groups import create_backend_group, delete_backend_group
from bulk import work
from bulk.choices import BulkState, ItemState
from bulk.models import BulkItem
from bulk.services import ItemResult
from core.stored_text import render
from tests import make
from tests.bulk.running import acts, bulk_of, counts, let_the_lease_end, nodes, states, who_began

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient")]


def _role_taken(operator: Operator) -> None:
    Operator.objects.filter(pk=operator.pk).update(role=Role.READ_ONLY)


def _shut_out(operator: Operator) -> None:
    Operator.objects.filter(pk=operator.pk).update(is_active=False)


GONE_RIGHTS: dict[str, Callable[[Operator], object]] = {
    "made Read-only": _role_taken,
    "deactivated": _shut_out,
    "deleted": lambda operator: operator.delete(),
}


@pytest.mark.parametrize("case", GONE_RIGHTS)
def test_who_has_lost_the_right_meanwhile_gets_nothing_done(case: str) -> None:
    bulk = bulk_of(nodes())
    GONE_RIGHTS[case](who_began(bulk))
    assert work.carry_on(bulk.pk) is False
    assert (counts(bulk), bulk.why) == ((BulkState.STOPPED, 0, 0, 0), "NO_RIGHT")
    assert acts(bulk) == []


def test_an_action_that_this_version_does_not_know_stops() -> None:
    bulk = bulk_of(nodes(), "evaporate")
    work.carry_on(bulk.pk)
    assert (counts(bulk)[0], bulk.why) == (BulkState.STOPPED, "NO_VERB")


def test_refusals_are_kept_so_that_each_reader_gets_them_in_their_language() -> None:
    busy, free = make.ready_backend(1), make.backend(0)
    make.running_job(busy)
    bulk = bulk_of([busy, free], "power_off", force=[])
    work.carry_on(bulk.pk)
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 1, 1, 0), ["FAILED", "DONE"])
    item = bulk.items.get(state=ItemState.FAILED)
    assert (item.message["code"], item.message["details"]["id"]) == ("BACKEND_IN_USE", busy.pk)
    assert render(item.message).startswith("Jobs or reservations still hold devices of this backend.")
    with translation.override("ko"):
        assert render(item.message).startswith("작업이나 예약이 이 노드의 디바이스를 점유하고 있습니다.")


def test_a_row_that_has_gone_is_left_out() -> None:
    first, second = (make.operator(Role.READ_ONLY) for _ in range(2))
    bulk = bulk_of([first, second], "delete", noun="accounts.Operator")
    Operator.objects.filter(pk=who_began(bulk).pk).update(role=Role.MASTER)
    first.delete()
    work.carry_on(bulk.pk)
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 1, 0, 1), ["SKIPPED", "DONE"])


def test_what_the_form_names_may_have_gone_meanwhile() -> None:
    group = create_backend_group(name="spare", actor=make.ACTOR)
    bulk = bulk_of(nodes(2), "move_group", group=[str(group.pk)])
    delete_backend_group(group, actor=make.ACTOR)
    work.carry_on(bulk.pk)
    assert counts(bulk) == (BulkState.ENDED, 0, 2, 0)
    assert bulk.items.filter(~Q(message__details__group=None)).count() == 2


def test_a_fault_of_ours_fails_its_item_and_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    three = nodes(3)
    bulk = bulk_of(three)
    real = work._outcome

    def broken(item: BulkItem, **rest: Any) -> ItemResult:
        if item.object_pk == str(three[1].pk):
            raise ZeroDivisionError
        return real(item, **rest)

    monkeypatch.setattr(work, "_outcome", broken)
    work.carry_on(bulk.pk)
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 2, 1, 0), ["DONE", "FAILED", "DONE"])
    assert bulk.items.get(state=ItemState.FAILED).message["code"] == "INTERNAL_ERROR"


def test_an_item_that_the_database_refuses_is_tried_five_times_and_then_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    three = nodes(3)
    bulk = bulk_of(three)
    real, tried = work._about, []

    def refused(item: BulkItem, model: Any) -> Any:
        if item.object_pk == str(three[1].pk):
            tried.append(item.attempts)
            raise OperationalError("s3cret: canceling statement due to lock timeout")
        return real(item, model)

    monkeypatch.setattr(work, "_about", refused)
    for _attempt in range(5):
        with pytest.raises(OperationalError):
            work.carry_on(bulk.pk)
        assert (counts(bulk), states(bulk)) == ((BulkState.RUNNING, 1, 0, 0), ["DONE", "WAITING", "WAITING"])
        let_the_lease_end(bulk)
    assert work.carry_on(bulk.pk) is False
    assert tried == [0, 1, 2, 3, 4]
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 2, 1, 0), ["DONE", "FAILED", "DONE"])
    message = bulk.items.get(state=ItemState.FAILED).message
    assert (message["code"], message["details"]) == ("DATABASE_ERROR", {"attempts": 5})
    assert render(message) == "The database refused it each time it was tried, and nothing was changed. (attempts: 5)"


def test_a_broker_that_is_away_fails_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = bulk_of(nodes(1))

    def away(*_args: Any) -> Any:
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(work, "_about", away)
        for _attempt in range(7):
            with pytest.raises(redis.ConnectionError):
                work.carry_on(bulk.pk)
            let_the_lease_end(bulk)
    work.carry_on(bulk.pk)
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 1, 0, 0), ["DONE"])
