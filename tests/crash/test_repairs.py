"""Workers that die in the middle of a repair: an error in process. The lines are those of docs/adr/0001."""

from typing import Any

import pytest
from django.db import transaction

from backends.models import Order, PowerAction
from events.models import Event
from remediation.models import Repair, RepairStep, RepairTarget
from remediation.services import advance as advancing
from remediation.services.sweep import open_repairs
from remediation.work import sweep
from tests import make
from tests.remediation.site import ALL, LOST, allow, device_of, faulty, look, report, settle, steps

pytestmark = pytest.mark.django_db
ROWS = (Repair, RepairTarget, RepairStep, Order, PowerAction, Event)


class Killed(BaseException):
    """The death of a process: nothing catches it."""


def rows() -> dict[str, list[Any]]:
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in ROWS}


def die(*_args: object, **_more: object) -> None:
    raise Killed


PLACES = ("remediation.services.advance.begin_step", "remediation.services.advance.try_level",
          "remediation.services.advance.set_state", "remediation.services.steps.record_about")  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_line_40_a_worker_that_dies_in_a_step_has_done_nothing(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    report(device_of(node), LOST)
    open_repairs()
    before = rows()
    pk = Repair.objects.get().pk
    with monkeypatch.context() as patch:
        patch.setattr(place, die)
        with pytest.raises(Killed):
            advancing.advance(pk)
    assert rows() == before
    sweep()
    assert [(verb, state) for verb, state, _ in steps(Repair.objects.get())] == [("CLEAN", "RUNNING")]
    assert [order.verb for order in make.orders(node)] == ["CLEAN"]


def test_line_40_a_worker_that_dies_between_two_steps_is_followed_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    repair = faulty(node)
    settle(node, ok=False, error="busy")
    real = advancing._advance
    done: list[int] = []

    def once(repair_id: int) -> Any:
        if done:
            raise Killed
        done.append(repair_id)
        return real(repair_id)

    with monkeypatch.context() as patch:
        patch.setattr(advancing, "_advance", once)
        with pytest.raises(Killed):
            advancing.advance(repair.pk)
    repair.refresh_from_db()
    assert (repair.state, repair.next_at is None) == ("QUARANTINED", False)
    Repair.objects.update(next_at=repair.since)
    sweep()
    repair.refresh_from_db()
    assert repair.state == "NEEDS_HANDS"


def test_line_41_a_step_whose_wake_up_was_lost_is_delivered_and_its_end_is_found(
    django_capture_on_commit_callbacks: Any,
) -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    with django_capture_on_commit_callbacks() as lost:
        repair = faulty(node)
        report(device_of(node))
        assert settle(node) == "RESET [0]"
    assert lost
    Repair.objects.update(next_at=repair.since)
    sweep()
    repair.refresh_from_db()
    assert repair.state == "VALIDATION"


def test_two_workers_that_look_at_once_begin_one_step() -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    repair = faulty(node)
    with transaction.atomic():
        for _ in range(3):
            look(repair)
    assert len(steps(repair)) == 1
    assert make.orders(node).count() == 1
