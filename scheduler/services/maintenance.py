"""What maintenance windows do to nodes and customers: drain, return, inform. Workers carry it out, some nodes at once.

Each step reads from the rows what is still to do, in a transaction of its own, so it may be cut off anywhere and done
again. The rows of the window's nodes are locked before their jobs and devices.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from backends.choices import MaintenanceState
from backends.models import Backend, Device, MaintenanceNode, MaintenanceWindow
from backends.models.maintenance import TAKES_PART, TO_RETURN
from backends.queries.maintenance import NODES
from backends.services.devices import UNCHANGED, bring_back, drain_locked
from backends.signals import devices_freed
from core.bulk import update_rows
from core.clock import db_now
from core.wakeups import publish_on_commit
from events.actor import SYSTEM
from events.services import NewEvent, record_all
from scheduler.choices import HOLDING
from scheduler.models import Allocation, Job
from scheduler.queries.allocations import OPEN
from scheduler.queries.maintenance import may_overlap
from scheduler.services.nodes import unused_devices
from scheduler.services.reserved_devices import reserve_again


def drain_nodes(window_id: int) -> None:
    """Drain the nodes of an active window that are not drained yet."""
    while _drain_some(window_id):
        pass


def return_nodes(window_id: int) -> None:
    """Bring back what a window has drained, of its nodes that have left it."""
    while _return_some(window_id):
        pass


def inform_customers(window_id: int) -> None:
    """Inform the customers whose jobs or reserved SDAs are on nodes of a window of its last change."""
    while _inform_some(window_id):
        pass


@transaction.atomic
def _drain_some(window_id: int) -> bool:
    window = MaintenanceWindow.objects.select_for_update(no_key=True).get(pk=window_id)
    if window.state != MaintenanceState.ACTIVE:
        return False
    still = Exists(_of_earlier_windows(window_id))
    rows = _locked(Q(TAKES_PART, ~still, window=window_id, drained__isnull=True))
    if not rows:
        return False
    devices = Device.objects.filter(backend__in=[row.backend_id for row in rows])
    unused = unused_devices(devices)
    locked = list(devices.order_by("pk"))  # locked by `unused_devices`
    results = drain_locked(locked, unused)
    drained: dict[int, list[int]] = defaultdict(list)
    for device in locked:
        if results[device.pk] != UNCHANGED:
            drained[device.backend_id].append(device.index)
    masks = ((row.pk, sum(1 << index for index in drained[row.backend_id])) for row in rows)
    update_rows(MaintenanceNode, ("drained",), masks)
    _record_devices("DRAIN_NODE", window_id, drained)
    _free_groups(drained)
    return True


def _of_earlier_windows(window_id: int) -> QuerySet[MaintenanceNode]:
    """Return the rows of a node in a window that ends when this one begins, and has not brought its devices back."""
    lasts = TAKES_PART & Q(window__state=MaintenanceState.ACTIVE)
    return MaintenanceNode.objects.filter(lasts | TO_RETURN, backend=OuterRef("backend")).exclude(window=window_id)


@transaction.atomic
def _return_some(window_id: int) -> bool:
    rows = _locked(TO_RETURN & Q(window=window_id))
    if not rows:
        return False
    masks = {row.backend_id: row.drained or 0 for row in rows}
    devices = Device.objects.select_for_update().filter(backend__in=masks, drained=True).order_by("pk")
    mine = [device for device in devices if masks[device.backend_id] >> device.index & 1]
    bring_back([device.pk for device in mine])
    returned: dict[int, list[int]] = defaultdict(list)
    for device in mine:
        returned[device.backend_id].append(device.index)
    _record_devices("RETURN_NODE", window_id, returned)
    MaintenanceNode.objects.filter(pk__in=[row.pk for row in rows]).update(returned_at=db_now())
    _free_groups(masks)
    reserve_again([device.pk for device in mine])
    return True


@transaction.atomic
def _inform_some(window_id: int) -> bool:
    window = MaintenanceWindow.objects.filter(pk=window_id).get()
    rows = _locked(Q(window=window_id, untold=True))
    if not rows:
        return False
    still = [row.backend_id for row in rows if row.left_at is None]
    gone = [row.backend_id for row in rows if row.left_at is not None]
    times = {"window": window_id, "from": window.starts_at.isoformat(), "to": window.ends_at.isoformat()}
    events = chain(
        _inform(still, "NOTICE_MAINTENANCE", times, window.starts_at),
        _inform(gone, "WITHDRAW_MAINTENANCE", {"window": window_id, "state": window.state}, window.starts_at),
    )
    record_all(list(events), actor=SYSTEM)
    MaintenanceNode.objects.filter(pk__in=[row.pk for row in rows]).update(untold=False)
    return True


def _inform(
    backend_ids: Sequence[int], action: str, details: dict[str, object], starts_at: datetime
) -> Iterable[NewEvent]:
    """Wake the streams of the jobs on these nodes that may run when maintenance begins; return the events."""
    held = Allocation.objects.filter(OPEN, device__backend__in=backend_ids)
    mine = Job.objects.filter(pk__in=held.filter(job__isnull=False).values("job"), status__in=HOLDING)
    jobs = [job for job in mine.select_for_update(of=("self",)).order_by("pk") if may_overlap(job, starts_at)]
    ids = [job.pk for job in jobs]
    Job.objects.filter(pk__in=ids).update(revision=F("revision") + 1)
    publish_on_commit("job", ids)
    reserved = held.filter(job__isnull=True).order_by("sda_id").values_list("sda_id", "token_id").distinct()
    return [
        *(NewEvent(action, f"job/{job.pk}", job.token_id, details) for job in jobs),
        *(NewEvent(action, f"sda/{sda}", token, details) for sda, token in reserved),
    ]


def _locked(which: Q) -> list[MaintenanceNode]:
    return list(MaintenanceNode.objects.select_for_update().filter(which).order_by("pk")[:NODES])


def _record_devices(action: str, window_id: int, devices: dict[int, list[int]]) -> None:
    record_all(
        [
            NewEvent(action, f"backend/{node}", None, {"maintenance": window_id, "devices": sorted(indexes)})
            for node, indexes in sorted(devices.items())
            if indexes
        ],
        actor=SYSTEM,
    )


def _free_groups(backend_ids: Iterable[int]) -> None:
    groups = Backend.objects.filter(pk__in=list(backend_ids)).order_by().values_list("group_id", flat=True)
    devices_freed.send(Backend, group_ids=sorted(set(groups)))
