"""The sweep: opens repairs of what has failed, and finds those that are to be looked at. In bulk, some at a time."""

from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from alerts.choices import Category
from alerts.codes import Code
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import node_group
from backends.choices import ShutdownReason
from backends.models import BackendGroup, Device
from core.clock import db_now
from events.actor import SYSTEM
from events.services import NewEvent, record_all
from remediation.choices import Origin
from remediation.models import IS_OPEN, Breaker, Repair, RepairTarget
from remediation.queries import failed_devices, groups_with_waiting_repairs, nodes_down
from remediation.services.targets import take_out

ORIGINS = {ShutdownReason.NODE_LOST: Origin.NODE_LOST, ShutdownReason.UNHEALTHY: Origin.UNHEALTHY}


@transaction.atomic
def open_repairs() -> int:
    """Open repairs of failed devices and of nodes that are down, or add them to those that are open.

    Return how many devices and nodes are new. At most MOREH_REPAIRS_AT_ONCE of each in one call.
    """
    most = settings.MOREH_REPAIRS_AT_ONCE
    devices = dict(failed_devices().order_by("pk").values_list("pk", "backend_id")[:most])
    nodes = dict(nodes_down().order_by("pk").values_list("pk", "why")[:most])
    if not devices and not nodes:
        return 0
    repairs = _open({*devices.values(), *nodes})
    now = db_now()
    targets = [
        RepairTarget(repair_id=repairs[node], device_id=pk, origin=Origin.DEVICE_FAILED, added_at=now)
        for pk, node in devices.items()
    ]
    targets += [
        RepairTarget(repair_id=repairs[pk], origin=ORIGINS[ShutdownReason(why)], added_at=now)
        for pk, why in nodes.items()
    ]
    RepairTarget.objects.bulk_create(targets, ignore_conflicts=True)
    Repair.objects.filter(pk__in=repairs.values()).update(next_at=now)
    take_out(list(Device.objects.filter(Q(pk__in=devices) | Q(backend__in=nodes)).values_list("pk", flat=True)))
    return len(targets)


def _open(nodes: set[int]) -> Mapping[int, int]:
    """Return the open repairs of nodes, which are locked, by node; those that are missing are opened."""
    known = _locked(nodes)
    now, new = db_now(), sorted(nodes - known.keys())
    rows = [Repair(backend_id=pk, since=now, opened_at=now, opened_by=SYSTEM.name, next_at=now) for pk in new]
    Repair.objects.bulk_create(rows, ignore_conflicts=True)
    found = _locked(nodes)
    mine = Repair.objects.filter(backend__in=new, opened_at=now, opened_by=SYSTEM.name)  # not those of other processes
    opened = mine.order_by("pk").values_list("backend_id", "pk")
    record_all((NewEvent("OPEN_REPAIR", f"backend/{node}", None, {"repair": pk}) for node, pk in opened), actor=SYSTEM)
    return found


def _locked(nodes: set[int]) -> dict[int, int]:
    rows = Repair.objects.filter(IS_OPEN, backend__in=nodes).select_for_update(no_key=True).order_by("pk")
    return dict(rows.values_list("backend_id", "pk"))


@transaction.atomic
def refresh_breakers() -> None:
    """Raise an alert for each group whose repairs wait for its limit, and clear those of the others."""
    waiting = groups_with_waiting_repairs()
    known = set(Breaker.objects.filter(opened_at__isnull=False).values_list("pk", flat=True))
    if opened := waiting - known:
        Breaker.objects.filter(pk__in=opened).update(opened_at=db_now())
        groups = dict(BackendGroup.objects.filter(pk__in=opened).values_list("pk", "name"))
        raise_alerts(NewAlert(Code.REPAIR_BREAKER, node_group(pk), {"group": name}) for pk, name in groups.items())
        _record("OPEN_REPAIR_BREAKER", opened)
    if closed := known - waiting:
        Breaker.objects.filter(pk__in=closed).update(opened_at=None)
        clear_alerts(Category.REPAIR_BREAKER, map(node_group, closed))
        _record("CLOSE_REPAIR_BREAKER", closed)


def _record(action: str, groups: set[int]) -> None:
    record_all((NewEvent(action, f"backendgroup/{pk}", None, {}) for pk in sorted(groups)), actor=SYSTEM)
