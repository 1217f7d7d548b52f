"""What becomes of the items of a bulk action when workers die, doze or come twice, and rights or rows go."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.utils import translation

from backends.models import Backend
from backends.services.groups import create_backend_group, delete_backend_group
from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.bulk import tasks, work
from moreh_cloud.bulk.choices import BulkState, ItemState
from moreh_cloud.bulk.errors import LeaseLost, Over, SentBefore
from moreh_cloud.bulk.models import BulkAction, BulkItem, SentForm
from moreh_cloud.bulk.queries import due_bulks
from moreh_cloud.bulk.services import (
    Order,
    Outcome,
    begin_bulk,
    claim_bulk,
    note_sent,
    settle_item,
    stop_bulk,
    take_item,
)
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.said import say
from tests import make
from tests.admin_world import address, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is long enough for every item, however slow the machine is."""
    monkeypatch.setattr(work, "TURN_S", 600.0)


class Died(BaseException):
    """Stands for kill -9: nothing catches it, and the transaction is rolled back."""


def bulk_of(
    rows: list[Any], verb: str = "shut_down", *, noun: str = "backends.Backend", **form: list[str]
) -> BulkAction:
    operator = make.operator(Role.GENERAL)
    order = Order(noun, verb, [(row.pk, str(row)) for row in rows], form)
    return begin_bulk(order, operator=operator, actor=Actor(operator.username, "admin", "10.9.9.9"))


def nodes(number: int = 4) -> list[Backend]:
    return [make.backend(0) for _ in range(number)]


def states(bulk: BulkAction) -> list[str]:
    return list(bulk.items.order_by("id").values_list("state", flat=True))


def counts(bulk: BulkAction) -> tuple[str, int, int, int]:
    bulk.refresh_from_db()
    return bulk.state, bulk.done, bulk.failed, bulk.skipped


def _who_began(bulk: BulkAction) -> Operator:
    assert bulk.operator is not None
    return bulk.operator


def acts(bulk: BulkAction) -> list[str]:
    """Give what was done, one line per act: each once."""
    events = Event.objects.filter(action="SET_BACKEND_STATUS", request__bulk=bulk.pk)
    return list(events.order_by("id").values_list("subject", flat=True))


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
    _let_the_lease_end(bulk)
    assert due_bulks(db_now()) == [bulk.pk]
    work.carry_on(bulk.pk)
    assert counts(bulk) == (BulkState.ENDED, 4, 0, 0)
    assert acts(bulk) == [f"backend/{node.pk}" for node in four]
    assert due_bulks(db_now()) == []


def _let_the_lease_end(bulk: BulkAction) -> None:
    BulkAction.objects.filter(pk=bulk.pk).update(lease_until=db_now() - timedelta(milliseconds=1))


def test_a_worker_that_wakes_after_another_has_taken_over_writes_nothing() -> None:
    bulk = bulk_of(nodes())
    dozing = claim_bulk(bulk.pk)
    assert dozing is not None
    item = bulk.items.first()
    assert item is not None
    _let_the_lease_end(bulk)
    second = claim_bulk(bulk.pk)
    assert second is not None
    assert (dozing.attempt, second.attempt) == (1, 2)
    with pytest.raises(LeaseLost):
        settle_item(dozing, item, Outcome(ItemState.DONE))
    take_item(item)
    with pytest.raises(LeaseLost):
        take_item(item)


def test_a_stop_in_the_middle_of_an_item_takes_the_item_back(monkeypatch: pytest.MonkeyPatch) -> None:
    four = nodes()
    bulk = bulk_of(four)
    real = work._outcome

    def stopping(item: BulkItem, **rest: Any) -> Outcome:
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
    monkeypatch.setattr(work, "TURN_S", -1.0)
    assert work.carry_on(bulk.pk) is True
    stop_bulk(bulk, actor=make.ACTOR)
    assert work.carry_on(bulk.pk) is False
    assert (counts(bulk)[0], bulk.left, bulk.stopped_by) == (BulkState.STOPPED, 4, make.ACTOR.name)
    assert acts(bulk) == []
    event = Event.objects.get(action="STOP_BULK")
    assert event.request == {"done": 0, "failed": 0, "skipped": 0, "left": 4, "why": "ASKED"}
    with pytest.raises(Over):
        stop_bulk(bulk, actor=make.ACTOR)


def test_a_long_one_gives_the_thread_back_and_rings_for_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = bulk_of(nodes())
    monkeypatch.setattr(work, "TURN_S", 1.0)
    ticks = iter(range(100))
    monkeypatch.setattr("moreh_cloud.bulk.work.time.monotonic", lambda: next(ticks) * 0.4)
    rung: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda _task, bulk_id: rung.append(bulk_id))
    tasks.carry_on(bulk_id=bulk.pk)
    assert counts(bulk) == (BulkState.RUNNING, 2, 0, 0)
    assert (rung, bulk.lease_until) == ([bulk.pk], None)
    tasks.carry_on(bulk_id=bulk.pk)
    assert counts(bulk) == (BulkState.ENDED, 4, 0, 0)


def test_beat_rings_for_what_nobody_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, held = bulk_of(nodes(1)), bulk_of(nodes(1))
    claim_bulk(held.pk)
    rung: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda _task, bulk_id: rung.append(bulk_id))
    tasks.pick_up()
    assert rung == [waiting.pk]


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
    GONE_RIGHTS[case](_who_began(bulk))
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
    assert say(item.message).startswith("Jobs or reservations still hold devices of this backend.")
    with translation.override("ko"):
        assert say(item.message).startswith("작업이나 예약이 이 노드의 디바이스를 점유하고 있습니다.")


def test_a_row_that_has_gone_is_left_out() -> None:
    first, second = (make.operator(Role.READ_ONLY) for _ in range(2))
    bulk = bulk_of([first, second], "unlock", noun="accounts.Operator")
    Operator.objects.filter(pk=_who_began(bulk).pk).update(role=Role.MASTER)
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

    def broken(item: BulkItem, **rest: Any) -> Outcome:
        if item.object_pk == str(three[1].pk):
            raise ZeroDivisionError
        return real(item, **rest)

    monkeypatch.setattr(work, "_outcome", broken)
    work.carry_on(bulk.pk)
    assert (counts(bulk), states(bulk)) == ((BulkState.ENDED, 2, 1, 0), ["DONE", "FAILED", "DONE"])
    assert bulk.items.get(state=ItemState.FAILED).message["code"] == "INTERNAL_ERROR"


# Queries of a whole turn and of each item; four of them are its act (a check), and one the clock of a server.
# Six of an item's are its savepoints; to a real worker they are BEGIN, one savepoint and COMMIT.
COST = {"sqlite": (12, 11), "postgresql": (15, 12)}


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
    note_sent(operator, "a key")
    with pytest.raises(SentBefore):
        note_sent(operator, "a key")
    note_sent(make.operator(), "a key")
    SentForm.objects.update(sent_at=db_now() - timedelta(days=2))
    tasks.tidy()
    assert list(BulkAction.objects.all()) == [young]
    assert not SentForm.objects.exists()
    assert Event.objects.filter(action="END_BULK").count() == 2


@pytest.mark.usefixtures("static_files")
class TestPage:
    def browser(self, role: Role = Role.GENERAL) -> Client:
        return client_of(role)

    def test_it_shows_how_far_it_is_and_what_became_of_each_item(self) -> None:
        busy, free = make.ready_backend(1), make.backend(0)
        make.running_job(busy)
        bulk = bulk_of([busy, free], "power_off", force=[])
        page = address(BulkAction, "change", bulk.pk)
        shown = self.browser().get(page).content.decode()
        assert "0 of 2" in shown
        assert 'data-live="bulk"' in shown
        work.carry_on(bulk.pk)
        shown = self.browser().get(page).content.decode()
        assert "2 of 2" in shown
        assert "1 refused" in shown
        assert "Jobs or reservations still hold devices of this backend." in shown
        assert 'data-live="bulk"' not in shown
        only = self.browser().get(page + "?only=FAILED").content.decode()
        assert busy.name in only
        assert free.name not in only

    def test_it_speaks_korean(self) -> None:
        bulk = bulk_of(nodes(1), "shut_down")
        work.carry_on(bulk.pk)
        shown = self.browser().get(address(BulkAction, "change", bulk.pk), headers={"accept-language": "ko"})
        assert "1개 중 1개" in shown.content.decode()

    def test_whoever_may_change_the_rows_may_stop_it(self) -> None:
        bulk = bulk_of(nodes())
        page = address(BulkAction, "change", bulk.pk).replace("change/", "stop/")
        assert self.browser(Role.READ_ONLY).post(page, {"agreed": "1"}).status_code == 403
        answer = self.browser().post(page, {"agreed": "1"})
        assert answer.headers["Location"] == address(BulkAction, "change", bulk.pk)
        shown = self.browser().get(answer.headers["Location"]).content.decode()
        assert "Stopped: somebody stopped it. The rest, 4, is not done." in shown
        about_masters = bulk_of([make.operator()], "unlock", noun="accounts.Operator")
        page = address(BulkAction, "change", about_masters.pk).replace("change/", "stop/")
        assert self.browser().post(page, {"agreed": "1"}).status_code == 403

    def test_a_long_report_is_shown_in_pages_at_the_same_cost(self, django_assert_num_queries: Any) -> None:
        for number in (3, 250):
            bulk = bulk_of(nodes(number) if number == 3 else nodes(3))
            BulkItem.objects.bulk_create(
                BulkItem(bulk=bulk, object_pk=f"x{i}", name=f"row {i}", message={}) for i in range(number - 3)
            )
            BulkAction.objects.filter(pk=bulk.pk).update(total=number)
            browser = self.browser()
            with django_assert_num_queries(5):
                browser.get(address(BulkAction, "change", bulk.pk) + "?p=1")
        shown = browser.get(address(BulkAction, "change", bulk.pk) + "?p=3").content.decode()
        assert "row 246" in shown
        assert "3 / 3" in shown
