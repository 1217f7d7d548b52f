"""The end of a verdict: by an operator, by a validation, or because another card is in the device's place."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import DeviceStatus, ShutdownReason, Verdict
from backends.models import Device, Finding
from backends.models.health import OPEN_FINDING
from backends.services.devices import clean_chosen
from backends.services.health_alerts import refresh_health_alerts
from core.clock import db_now
from core.errors import InvalidParameter
from core.texts import require_texts
from events.actor import Actor
from events.services import record

LONGEST_REASON = 200
CHECK_FAILED = "CHECK_FAILED"  # holds for one moment: nobody looks whether it has ended


@transaction.atomic
def clear_verdict(device: Device, *, reason: str, actor: Actor) -> bool:
    """Set a device HEALTHY again because an operator says so; return False if it is.

    Its open findings stay visible and no longer count, unless they become worse. A device that was out of service only
    because it had failed is cleaned, and then takes jobs again. Raises InvalidParameter without a reason.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidParameter(_("Say why."), parameter="reason")
    require_texts(LONGEST_REASON, reason=reason)
    locked = Device.objects.select_for_update(of=("self",)).filter(pk=device.pk, backend__deleted_at__isnull=True)
    if not locked.exclude(verdict=Verdict.HEALTHY).exists():
        return False
    open_ones = Finding.objects.filter(OPEN_FINDING, device=device)
    open_ones.filter(code=CHECK_FAILED).update(ended_at=db_now())
    open_ones.filter(cleared_at__isnull=True).update(cleared_at=db_now())
    reset_verdicts([device.pk])
    clean_chosen(Device.objects.filter(pk=device.pk, why=ShutdownReason.NOT_CLEANED))
    record(
        "CLEAR_DEVICE_VERDICT",
        actor=actor,
        subject=f"backend/{device.backend_id}",
        device=device.index,
        verdict=device.verdict,
        reason=reason,
    )
    return True


def reset_verdicts(ids: Collection[int]) -> None:
    """Set devices HEALTHY, which the caller has locked; those that were out because of it wait to be cleaned."""
    devices, now = Device.objects.filter(pk__in=ids), db_now()
    devices.filter(verdict_drains=True, in_repair=False).update(drain_to="", verdict_drains=False)
    out = Q(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.DEVICE_FAILED)
    devices.filter(out).update(why=ShutdownReason.NOT_CLEANED, since=now)
    devices.update(verdict=Verdict.HEALTHY, verdict_at=now)
    refresh_health_alerts(set(devices.values_list("backend_id", flat=True)))
