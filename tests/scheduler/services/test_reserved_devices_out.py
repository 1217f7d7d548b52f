"""Reservations on nodes that are off or leave, over limits, in draining groups; and their billing without a gap."""

from collections.abc import Callable

import pytest
from django.db import transaction

from backends.choices import DeviceStatus
from backends.errors import BackendInUse
from backends.models import Backend, Device
from backends.services.groups import update_backend_group
from core.errors import DomainError
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.errors import GroupDraining, NotEnoughDevices, OverLimit
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from scheduler.reconcile.checks import Inconsistency
from scheduler.services.nodes import delete_backend, drain_backend, set_device_status
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from scheduler.services.tokens import stop_tokens
from sda.models import Sda
from tests import make
from tests.scheduler.cycle.test_reserved import STOP, power_off, reserved
from tests.transitions import unchecked
from tokens.errors import BudgetSpent
from tokens.services import create_token_group, update_token

pytestmark = pytest.mark.django_db
GONE: dict[str, Callable[[Backend], object]] = {
    "its node is up": lambda _node: None,
    "its node is off": power_off,
    "its devices are drained": lambda node: drain_backend(node, actor=make.ACTOR),
    "its devices are kept out": lambda node: set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR),
}


def held(sda: Sda) -> list[int]:
    """Return the nodes of the devices that an SDA holds."""
    rows = Allocation.objects.filter(sda=sda, ended_at=None).order_by("device")
    return list(rows.values_list("device__backend_id", flat=True))


@pytest.mark.parametrize("case", GONE)
def test_a_node_with_a_reservation_is_not_deleted_and_with_force_the_reservation_moves(case: str) -> None:
    node = make.ready_backend(2)
    sda = reserved()
    GONE[case](node)
    with pytest.raises(BackendInUse), transaction.atomic():
        delete_backend(node, actor=make.ACTOR)
    other = make.ready_backend(3)
    delete_backend(node, force=True, actor=make.ACTOR)
    assert held(sda) == [other.pk] * 2
    assert Allocation.objects.filter(sda=sda, ended_at__isnull=False, device__backend=node).count() == 2
    assert make.statuses(node) == ["SHUTDOWN"] * 2
    assert reconcile() == []
    job = make.job(sda)
    tick(0)
    assert Job.objects.get(pk=job.pk).status == JobStatus.SUBMITTED


def test_a_reservation_that_finds_no_other_devices_is_not_billed_on_and_completed_as_soon_as_it_can_be() -> None:
    node = make.ready_backend(2)
    sda = reserved()
    power_off(node)
    delete_backend(node, force=True, actor=make.ACTOR)
    assert held(sda) == []
    wrong = "held 0 of 2 reserved devices"
    assert reconcile() == [Inconsistency(f"sda/{sda.pk}", f"{wrong}, and 2 more are not free", repaired=False)]
    other = make.ready_backend(2)
    assert reconcile() == [Inconsistency(f"sda/{sda.pk}", wrong)]
    assert held(sda) == [other.pk] * 2


def test_what_a_deleted_node_is_still_billed_for_is_found_and_ended() -> None:
    node = make.ready_backend(2)
    sda = reserved()
    power_off(node)
    make.sql("UPDATE backends_backend SET deleted_at = '2026-01-01 00:00:00+00' WHERE id = %s", node.pk)
    other = make.ready_backend(2)
    assert [finding.wrong for finding in reconcile()] == [
        "held 2 devices of nodes that are deleted",
        "held 0 of 2 reserved devices",
    ]
    assert held(sda) == [other.pk] * 2


def test_devices_that_an_operator_sets_idle_stay_reserved_and_everybody_starts() -> None:
    node, spare = make.ready_backend(2), make.ready_backend(1)
    sda = reserved()
    power_off(node)
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR)
    assert make.statuses(node) == ["PREPARING"] * 2
    make.hello(node, 2, boot=2)
    jobs = [make.job(), make.job(sda)]
    tick(0)
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == ["SUBMITTED"] * len(jobs)
    assert make.statuses(spare) == ["PREPARING"]
    assert held(sda) == [node.pk] * 2


def test_a_held_device_that_is_idle_does_not_stop_other_starts() -> None:
    node = make.ready_backend(2)
    sda = reserved(1)
    with unchecked():
        Device.objects.filter(backend=node).update(status=DeviceStatus.IDLE)
    jobs = [make.job(), make.job()]
    tick(0)
    statuses = list(Job.objects.order_by("pk").values_list("status", flat=True))
    assert sorted(statuses) == ["SUBMITTED", "WAITING"]
    assert (held(sda), len(jobs)) == ([node.pk], 2)


def test_deleting_an_sda_leaves_what_is_out_of_service_out() -> None:
    node = make.ready_backend(2)
    sda = reserved()
    set_device_status(node, DeviceStatus.SHUTDOWN, index=0, actor=make.ACTOR)
    assert make.statuses(node) == ["SHUTDOWN", "PREPARING"]
    delete_sda(sda, actor=make.ACTOR)
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN", "IDLE"]
    assert held(sda) == []


def _too_many_for_the_token(sda_token: object) -> None:
    update_token(sda_token, max_devices=3, actor=make.ACTOR)  # type: ignore[arg-type]


def _too_many_for_a_group(sda_token: object) -> None:
    create_token_group(name="team", tokens=[sda_token], max_devices=3, actor=make.ACTOR)  # type: ignore[list-item]


REFUSED: dict[str, tuple[Callable[[object], object], type[DomainError]]] = {
    "more than its token may hold": (_too_many_for_the_token, OverLimit),
    "more than a group of its token may hold": (_too_many_for_a_group, OverLimit),
    "its group is draining": (
        lambda _token: update_backend_group(make.default_group(), draining=True, actor=make.ACTOR),
        GroupDraining,
    ),
    "its token is stopped": (
        lambda token: stop_tokens({token.pk: STOP}, actor=make.ACTOR),  # type: ignore[attr-defined]
        BudgetSpent,
    ),
    "too few are free": (lambda _token: make.running_job(Backend.objects.get(), 3), NotEnoughDevices),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_reservation_is_refused_where_a_job_would_wait(case: str) -> None:
    prepare, refusal = REFUSED[case]
    make.ready_backend(6)
    owner = make.token()
    prepare(owner)
    with pytest.raises(refusal), transaction.atomic():
        create_sda(owner, make.sda_model(4), reserved=True, actor=make.ACTOR)
    assert Sda.objects.filter(token=owner).count() == 0


def test_a_reservation_counts_what_its_token_holds_already_and_changes_within_the_limit() -> None:
    make.ready_backend(6)
    owner = make.token(max_sda_count=3, max_devices=4)
    sda = create_sda(owner, make.sda_model(3), reserved=True, actor=make.ACTOR)
    with pytest.raises(OverLimit) as caught, transaction.atomic():
        create_sda(owner, make.sda_model(2), reserved=True, actor=make.ACTOR)
    assert caught.value.details == {"needed": 5, "available": 4}
    switched = switch_model(sda, make.sda_model(2), actor=make.ACTOR)
    assert len(held(switched)) == 2


def test_a_reservation_that_gets_another_model_is_billed_without_a_gap() -> None:
    make.ready_backend(5)
    sda = reserved(2)
    switch_model(sda, make.sda_model(3), actor=make.ACTOR)
    ends = set(Allocation.objects.filter(ended_at__isnull=False).values_list("ended_at", flat=True))
    starts = set(Allocation.objects.filter(ended_at=None).values_list("started_at", flat=True))
    assert ends == starts
    assert len(ends) == 1


def test_what_is_missing_of_a_reservation_is_taken_though_its_token_was_stopped() -> None:
    node = make.ready_backend(3)
    sda = reserved(2)
    Allocation.objects.filter(sda=sda).earliest("pk").delete()
    stop_tokens({sda.token_id: STOP}, actor=make.ACTOR)
    reconcile()
    assert held(sda) == [node.pk] * 2
