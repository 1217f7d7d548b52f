"""What a repair does to devices: it keeps them out of service until their validation has succeeded."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from backends.choices import HELD, ORDER_TRANSITIONS, DeviceStatus, OrderState, ShutdownReason, Verdict
from backends.models import Device, Order
from backends.services.devices import WHY_KEPT_OUT, clean_chosen
from backends.services.findings import judge
from backends.services.verdicts import reset_verdicts
from core.clock import db_now


def keep_out(devices: Collection[int], *, unused: Collection[int] = ()) -> int:
    """Keep devices out of service for their repair, in the caller's transaction; return for how many this is new.

    Idle ones leave at once, and so do those in `unused`, which reserved SDAs hold without a job. Others leave when
    their jobs end. What an operator did to a device stays.
    """
    rows = Device.objects.filter(pk__in=devices, in_repair=False)
    new = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
    chosen = Device.objects.filter(pk__in=new)
    leaving = chosen.filter(Q(status=DeviceStatus.IDLE) | Q(status=DeviceStatus.PREPARING, pk__in=unused))
    leaving.update(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.REPAIR, since=db_now(), in_repair=True)
    chosen.update(in_repair=True)
    used = chosen.filter(status__in=(*HELD, DeviceStatus.CLEANING), drain_to="")
    used.update(drain_to=DeviceStatus.SHUTDOWN, verdict_drains=True)
    return len(new)


def let_go(devices: Collection[int]) -> None:
    """End the repair of devices, in the caller's transaction: those that have not failed are cleaned and come back."""
    rows = Device.objects.filter(pk__in=devices, in_repair=True)
    chosen = Device.objects.filter(pk__in=list(rows.select_for_update().order_by("pk").values_list("pk", flat=True)))
    chosen.update(in_repair=False)
    good = chosen.exclude(verdict=Verdict.FAILED)
    good.filter(verdict_drains=True).update(drain_to="", verdict_drains=False)
    out = Q(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.REPAIR)
    chosen.filter(out, verdict=Verdict.FAILED).update(why=ShutdownReason.DEVICE_FAILED)
    good.filter(out).update(why=ShutdownReason.NOT_CLEANED, since=db_now())
    clean_chosen(good.filter(why=ShutdownReason.NOT_CLEANED))


def note_cleaned(backend_id: int, indexes: Collection[int]) -> None:
    """Store that a remedy has left nothing on devices that could not be cleaned: only their repair keeps them out."""
    devices = Device.objects.filter(backend=backend_id, index__in=indexes, in_repair=True)
    stuck = devices.filter(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.NOT_CLEANED)
    stuck.update(why=WHY_KEPT_OUT, since=db_now())


def end_verdicts(devices: Collection[int]) -> None:
    """Judge failed devices anew whose validation has succeeded, in the caller's transaction, and end their repair."""
    rows = Device.objects.filter(pk__in=devices).order_by("pk")
    failed = [device.pk for device in rows.select_for_update() if device.verdict == Verdict.FAILED]
    if failed:
        reset_verdicts(failed)
        judge(list(Device.objects.filter(pk__in=failed).order_by("pk")))
    let_go(devices)
    clean_chosen(Device.objects.filter(pk__in=failed, why=ShutdownReason.NOT_CLEANED).exclude(verdict=Verdict.FAILED))


def withdraw_order(order_id: UUID) -> bool:
    """Withdraw an order to an agent that is not settled; return False if it is. The agent may still carry it out."""
    rows = Order.objects.filter(pk=order_id, state__in=ORDER_TRANSITIONS.before(OrderState.WITHDRAWN))
    return bool(rows.update(state=OrderState.WITHDRAWN, settled_at=db_now()))
