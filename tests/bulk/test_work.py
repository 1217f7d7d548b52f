"""What becomes of the items of a bulk action when workers die, doze or come twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from bulk import tasks, work
from bulk.choices import BulkState, ItemState
from bulk.errors import AlreadyEnded, SentBefore
from bulk.models import BulkAction, BulkItem, SentForm
from bulk.queries import due_bulks
from bulk.services import ItemResult, lease_bulk, record_sent_form, settle_item, stop_bulk, take_item
from core.clock import db_now
from core.lease import LeaseLost
from events.models import Event
from tests import make
from tests.bulk.running import acts, bulk_of, counts, let_the_lease_end, nodes, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient")]


class Died(BaseException):
    """Stands for kill -9: nothing catches it, and the transaction is rolled back."""


def die_at(monkeypatch: pytest.MonkeyPatch, place: str, nth: int) -> None:
    """Let the worker die at the n-th passage of a place: before it is entered, or after it was left."""
    name, _dot, when = place.partition(".")
    real, seen = getattr(work, name), []

    def dying(*args: Any, **more: Any) -> Any:
        seen.append(args)
        if len(seen) == nth and when == "before":
            raise Died
        result = real(*args, **more)
        if len(seen) == nth:
            raise Died
        return result

    monkeypatch.setattr(work, name, dying)


CRASHES = {
    "after the action was claimed": ("waiting_items.before", 1, 0),
    "before an item is taken": ("take_item.before", 3, 2),
    "after an item was taken": ("take_item.after", 3, 2),
    "before the act": ("_outcome.before", 3, 2),
    "after the act": ("_outcome.after", 3, 2),
    "after the item was settled, before the commit": ("settle_item.after", 3, 2),
    "after the commit of an item": ("_settle.after", 3, 3),
    "before the end": ("end_bulk.before", 1, 4),
}


@pytest.mark.parametrize("case", CRASHES)
def test_a_worker_that_dies_is_replaced_and_each_item_is_done_once(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, nth, done = CRASHES[case]
    four = nodes()
    bulk = bulk_of(four)
    with monkeypatch.context() as patched:
        die_at(patched, place, nth)
        with pytest.raises(Died):
            work.carry_on(bulk.pk)
    assert counts(bulk) == (BulkState.RUNNING, done, 0, 0)
    assert len(acts(bulk)) == done
    assert work.carry_on(bulk.pk) is False, "the lease still holds"
    assert counts(bulk)[1] == done
    let_the_lease_end(bulk)
    assert due_bulks(db_now()) == [bulk.pk]
    work.carry_on(bulk.pk)
    assert counts(bulk) == (BulkState.ENDED, 4, 0, 0)
    assert acts(bulk) == [f"backend/{node.pk}" for node in four]
    assert due_bulks(db_now()) == []


def test_a_worker_that_wakes_after_another_has_taken_over_writes_nothing() -> None:
    bulk = bulk_of(nodes())
    dozing = lease_bulk(bulk.pk)
    assert dozing is not None
    item = bulk.items.first()
    assert item is not None
    let_the_lease_end(bulk)
    second = lease_bulk(bulk.pk)
    assert second is not None
    assert (dozing.number, second.number) == (1, 2)
    with pytest.raises(LeaseLost):
        settle_item(dozing, item, ItemResult(ItemState.DONE))
    take_item(item)
    with pytest.raises(LeaseLost):
        take_item(item)


def test_a_stop_in_the_middle_of_an_item_takes_the_item_back(monkeypatch: pytest.MonkeyPatch) -> None:
    four = nodes()
    bulk = bulk_of(four)
    real = work._outcome

    def stopping(item: BulkItem, **rest: Any) -> ItemResult:
        outcome = real(item, **rest)
        if item.object_pk == str(four[1].pk):  # as somebody else would, in a transaction of their own
            BulkAction.objects.filter(pk=bulk.pk).update(state=BulkState.STOPPED)
        return outcome

    monkeypatch.setattr(work, "_outcome", stopping)
    assert work.carry_on(bulk.pk) is False
    assert acts(bulk) == [f"backend/{four[0].pk}"]
    assert states(bulk)[0] == ItemState.DONE


def test_the_rest_of_a_stopped_bulk_action_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = bulk_of(nodes())
    monkeypatch.setattr(work, "RUN_S", -1.0)
    assert work.carry_on(bulk.pk) is True
    stop_bulk(bulk, actor=make.ACTOR)
    assert work.carry_on(bulk.pk) is False
    assert (counts(bulk)[0], bulk.left, bulk.stopped_by) == (BulkState.STOPPED, 4, make.ACTOR.name)
    assert acts(bulk) == []
    event = Event.objects.get(action="STOP_BULK")
    assert event.request == {"done": 0, "failed": 0, "skipped": 0, "left": 4, "why": "ASKED"}
    with pytest.raises(AlreadyEnded):
        stop_bulk(bulk, actor=make.ACTOR)


def test_a_long_one_gives_the_thread_back_and_rings_for_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = bulk_of(nodes())
    monkeypatch.setattr(work, "RUN_S", 1.0)
    ticks = iter(range(100))
    monkeypatch.setattr("bulk.work.time.monotonic", lambda: next(ticks) * 0.4)
    rung: list[int] = []
    monkeypatch.setattr(tasks, "enqueue", lambda _task, bulk_id: rung.append(bulk_id))
    tasks.carry_on(bulk_id=bulk.pk)
    assert counts(bulk) == (BulkState.RUNNING, 2, 0, 0)
    assert (rung, bulk.lease_until) == ([bulk.pk], None)
    tasks.carry_on(bulk_id=bulk.pk)
    assert counts(bulk) == (BulkState.ENDED, 4, 0, 0)


def test_beat_rings_for_what_nobody_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, held = bulk_of(nodes(1)), bulk_of(nodes(1))
    lease_bulk(held.pk)
    rung: list[int] = []
    monkeypatch.setattr(tasks, "enqueue", lambda _task, bulk_id: rung.append(bulk_id))
    tasks.pick_up()
    assert rung == [waiting.pk]


# Queries of a whole turn and of each item; four of them are its act (a check), and one the clock of a server.
# Six of an item's are its savepoints; to a real worker they are BEGIN, one savepoint and COMMIT.
COST = {"sqlite": (12, 12), "postgresql": (15, 13)}


def test_an_item_costs_the_same_few_queries_however_many_there_are(django_assert_num_queries: Any) -> None:
    whole, each = COST[connection.vendor]
    for number in (2, 12):
        bulk = bulk_of(nodes(number), "health_check")
        with django_assert_num_queries(whole + number * each):
            work.carry_on(bulk.pk)
        assert counts(bulk)[0] == BulkState.ENDED


def test_old_ones_are_forgotten_and_their_events_stay() -> None:
    old, young = bulk_of(nodes(1)), bulk_of(nodes(1))
    for bulk in (old, young):
        work.carry_on(bulk.pk)
    BulkAction.objects.filter(pk=old.pk).update(ended_at=db_now() - timedelta(days=91))
    operator = make.operator()
    record_sent_form(operator, "a key")
    with pytest.raises(SentBefore):
        record_sent_form(operator, "a key")
    record_sent_form(make.operator(), "a key")
    SentForm.objects.update(sent_at=db_now() - timedelta(days=2))
    tasks.tidy()
    assert list(BulkAction.objects.all()) == [young]
    assert not SentForm.objects.exists()
    assert Event.objects.filter(action="END_BULK").count() == 2
