"""Maintenance windows: planned, changed, canceled, begun and ended.

Each verb is one transaction that locks the window first. What follows for many nodes (drains, returns, notices) is
marked in the rows of its nodes, and workers carry it out (`scheduler.services.maintenance`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from backends.choices import MAINTENANCE_TRANSITIONS, MaintenanceState
from backends.errors import MaintenanceIsOver, MaintenanceOverlaps
from backends.models import Backend, MaintenanceNode, MaintenanceWindow
from backends.models.maintenance import TAKES_PART
from backends.queries.maintenance import overlapping
from backends.signals import devices_freed, maintenance_changed
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.texts import require_row
from events.actor import SYSTEM, Actor
from events.services import NewEvent, record, record_all

LONGEST = timedelta(days=366)
MOST_NODES = 10_000
NAMED = 5  # nodes in a refusal


@transaction.atomic
def create_window(
    backend_ids: Collection[int], *, starts_at: datetime | None, ends_at: datetime, reason: str, actor: Actor
) -> MaintenanceWindow:
    """Plan maintenance of some nodes; without `starts_at`, or if that is past, it begins at once.

    Raises InvalidParameter, NotFound, MaintenanceOverlaps.
    """
    ids, now = sorted(set(backend_ids)), db_now()
    if not ids:
        raise InvalidParameter(_("Choose at least one node."), parameter="backends")
    if len(ids) > MOST_NODES:
        raise InvalidParameter(_("A window has at most 10,000 nodes."), parameter="backends")
    starts_at = now if starts_at is None else max(now, starts_at)
    _require_times(starts_at, ends_at, now)
    _lock_nodes(ids, starts_at, ends_at)
    window = MaintenanceWindow(
        starts_at=starts_at, ends_at=ends_at, reason=reason.strip(), actor=actor.name[:150], created_at=now
    )
    _require_reason(window)
    window.save(force_insert=True)
    MaintenanceNode.objects.bulk_create((MaintenanceNode(window=window, backend_id=pk) for pk in ids), batch_size=1000)
    _record("CREATE_MAINTENANCE", window, actor, nodes=len(ids), reason=window.reason)
    _announce(window)
    return window


@transaction.atomic
def change_window(
    window: MaintenanceWindow,
    *,
    actor: Actor,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    reason: str | None = None,
) -> MaintenanceWindow:
    """Change when a window begins or ends, or its reason; the beginning only before it has begun.

    Raises InvalidParameter, MaintenanceIsOver, MaintenanceOverlaps, NotFound.
    """
    locked, now = _locked(window.pk), db_now()
    if not MAINTENANCE_TRANSITIONS[MaintenanceState(locked.state)]:
        raise MaintenanceIsOver(id=window.pk)
    before = (locked.starts_at, locked.ends_at)
    if starts_at is not None and starts_at != locked.starts_at:
        if locked.state == MaintenanceState.ACTIVE:
            raise InvalidParameter(_("It has begun already."), parameter="from")
        locked.starts_at = max(now, starts_at)
    locked.ends_at = locked.ends_at if ends_at is None else ends_at
    locked.reason = locked.reason if reason is None else reason.strip()
    _require_reason(locked)
    if (locked.starts_at, locked.ends_at) != before:
        _require_times(locked.starts_at, locked.ends_at, now)
        _lock_nodes(sorted(_taking_part(locked).values_list("backend_id", flat=True)), *_span(locked), but=locked.pk)
        _taking_part(locked).update(untold=True)
    locked.save(update_fields=["starts_at", "ends_at", "reason"])
    _record("CHANGE_MAINTENANCE", locked, actor, reason=locked.reason)
    _announce(locked)
    return locked


@transaction.atomic
def end_window(window: MaintenanceWindow, *, actor: Actor) -> MaintenanceWindow:
    """Cancel a window that has not begun, or end an active one early. Raises MaintenanceIsOver, NotFound."""
    locked = _locked(window.pk)
    if not MAINTENANCE_TRANSITIONS[MaintenanceState(locked.state)]:
        raise MaintenanceIsOver(id=window.pk)
    active = locked.state == MaintenanceState.ACTIVE
    _end(locked, MaintenanceState.OVER if active else MaintenanceState.CANCELED, actor)
    return locked


@transaction.atomic
def begin_or_end_window(window_id: int) -> bool:
    """Begin or end a window whose time has come; return whether it changed. A window that was missed only ends."""
    window, now = _locked(window_id), db_now()
    if not MAINTENANCE_TRANSITIONS[MaintenanceState(window.state)]:
        return False
    if window.ends_at <= now:
        _end(window, MaintenanceState.OVER, SYSTEM)
        return True
    if window.state != MaintenanceState.SCHEDULED or window.starts_at > now:
        return False
    _become(window, MaintenanceState.ACTIVE, began_at=now)
    _taking_part(window).update(untold=True)
    _record("BEGIN_MAINTENANCE", window, SYSTEM)
    _announce(window)
    return True


def leave_maintenance(backend: Backend, *, actor: Actor) -> bool:
    """Let a node leave the window that lasts now, whose drain the caller ends; return whether there was one."""
    mine = MaintenanceNode.objects.select_for_update(of=("self",)).filter(TAKES_PART, backend=backend)
    rows = list(mine.filter(window__starts_at__lte=db_now()).order_by("pk").values_list("pk", "window_id"))
    _leave(MaintenanceNode.objects.filter(pk__in=[pk for pk, _window in rows]))
    for _pk, window in rows:
        record("LEAVE_MAINTENANCE", actor=actor, subject=f"backend/{backend.pk}", window=window)
    return bool(rows)


def leave_all_maintenance(backend: Backend) -> None:
    """Let a node that is deleted leave its windows."""
    _leave(MaintenanceNode.objects.filter(TAKES_PART, backend=backend))


def keep_drained(backend: Backend, *, actor: Actor) -> bool:
    """Let a node stay drained after its maintenance, because an operator drains it; return whether that is new."""
    rows = MaintenanceNode.objects.filter(backend=backend, drained__gt=0, returned_at__isnull=True)
    if not rows.update(drained=0):
        return False
    record("KEEP_DRAINED", actor=actor, subject=f"backend/{backend.pk}")
    return True


def _leave(rows: QuerySet[MaintenanceNode]) -> None:
    now = db_now()
    rows.update(left_at=now, returned_at=now, untold=True)


def _end(window: MaintenanceWindow, state: MaintenanceState, actor: Actor) -> None:
    now = db_now()
    _become(window, state, ended_at=now)
    _taking_part(window).update(left_at=now, untold=True)
    _record("CANCEL_MAINTENANCE" if state == MaintenanceState.CANCELED else "END_MAINTENANCE", window, actor)
    _announce(window)


def _become(window: MaintenanceWindow, state: MaintenanceState, **times: datetime) -> None:
    rows = MaintenanceWindow.objects.filter(pk=window.pk, state__in=MAINTENANCE_TRANSITIONS.before(state))
    rows.update(state=state, **times)
    window.refresh_from_db()


def _locked(window_id: int) -> MaintenanceWindow:
    window = MaintenanceWindow.objects.select_for_update().filter(pk=window_id).first()
    if window is None:
        raise NotFound(id=window_id)
    return window


def _taking_part(window: MaintenanceWindow) -> QuerySet[MaintenanceNode]:
    return MaintenanceNode.objects.filter(TAKES_PART, window=window)


def _span(window: MaintenanceWindow) -> tuple[datetime, datetime]:
    return window.starts_at, window.ends_at


def _require_times(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if ends_at <= now:
        raise InvalidParameter(_("This time is past."), parameter="to")
    if ends_at <= starts_at:
        raise InvalidParameter(_("It must be later than the beginning."), parameter="to")
    if starts_at - now > LONGEST:
        raise InvalidParameter(_("It is more than 366 days from now."), parameter="from")
    if ends_at - starts_at > LONGEST:
        raise InvalidParameter(_("A window lasts at most 366 days."), parameter="to")


def _require_reason(window: MaintenanceWindow) -> None:
    if not window.reason:
        raise InvalidParameter(_("Say why."), parameter="reason")
    require_row(window, only={"reason"})


def _lock_nodes(ids: list[int], starts_at: datetime, ends_at: datetime, *, but: int | None = None) -> None:
    """Lock nodes against jobs that are bound to them now, and against other windows of the same time.

    Raises NotFound, MaintenanceOverlaps.
    """
    found = set(
        Backend.objects.live().select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)
    )
    if but is None and (unknown := [pk for pk in ids if pk not in found]):
        raise NotFound(backends=unknown[:NAMED])
    others = overlapping(ids, starts_at, ends_at, but=but).select_related("backend")[:NAMED]
    if names := list(dict.fromkeys(node.backend.name for node in others)):
        raise MaintenanceOverlaps(backends=names, window=others[0].window_id)


def _record(action: str, window: MaintenanceWindow, actor: Actor, **details: object) -> None:
    subject = f"maintenance/{window.pk}"
    times = {"from": window.starts_at.isoformat(), "to": window.ends_at.isoformat()}
    record_all([NewEvent(action, subject, None, {**times, **details})], actor=actor)


def _announce(window: MaintenanceWindow) -> None:
    """Wake workers, and have the groups of the nodes planned again."""
    groups = Backend.objects.filter(maintenance__window=window).order_by().values_list("group_id", flat=True)
    devices_freed.send(Backend, group_ids=sorted(set(groups)))
    maintenance_changed.send(MaintenanceWindow, window_id=window.pk)
