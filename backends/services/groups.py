"""Backend groups, and which group a node is in."""

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import DEFAULT_GROUP
from backends.errors import DefaultGroup, GroupNotEmpty
from backends.models import Backend, BackendGroup
from backends.services.inventory import set_group_fields
from backends.signals import devices_freed
from core.clock import db_now
from core.errors import Conflict, NotFound
from core.texts import require_row, values_of
from core.tombstone import DELETED, hold
from core.unique import unique
from events.actor import Actor
from events.services import record

WIRE_NAMES = {"name": "label"}


@transaction.atomic
def create_backend_group(
    *,
    name: str,
    actor: Actor,
    backends: Iterable[Backend] = (),
    custom_fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> BackendGroup:
    """Create a backend group; `fields` are columns, as for `update_backend_group`.

    `custom_fields` None: nobody was asked, so required ones may be missing. Raises Duplicate, InvalidParameter.
    """
    group = BackendGroup(name=name, **fields)
    _save(group, {"name", *fields})
    details = values_of(group, ("name", *fields)) | set_group_fields(group, custom_fields, complete=True)
    record("CREATE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", **details)
    for backend in sorted(backends, key=attrgetter("pk")):
        move_backend(backend, group, actor=actor)
    return group


@transaction.atomic
def update_backend_group(
    group: BackendGroup,
    *,
    actor: Actor,
    backends: Iterable[Backend] | None = None,
    custom_fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> BackendGroup:
    """Change name, description, index, combine, scheduling rules, or exactly which backends are in the group.

    Backends that are no longer in `backends` go to the default group. `custom_fields`: those that change.
    Raises Duplicate, InvalidParameter.
    """
    if backends is not None and group.pk != DEFAULT_GROUP:
        hold(BackendGroup(pk=DEFAULT_GROUP))  # where the others go; groups are locked by id, too
    hold(group, alone="draining" in fields)  # waits for transactions that start something in the group
    for name, value in fields.items():
        setattr(group, name, value)
    _save(group, fields.keys())
    details = values_of(group, fields) | set_group_fields(group, custom_fields)
    record("UPDATE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", **details)
    if backends is not None:
        _set_backends(group, list(backends), actor)
    devices_freed.send(BackendGroup, group_ids=[group.pk])
    return group


@transaction.atomic
def delete_backend_group(group: BackendGroup, *, actor: Actor, force: bool = False) -> None:
    """Mark a backend group as deleted.

    Raises DefaultGroup, and GroupNotEmpty unless `force`, which moves its backends to the default group.
    """
    if group.pk == DEFAULT_GROUP:
        raise DefaultGroup(id=group.pk)
    default = BackendGroup(pk=DEFAULT_GROUP)
    hold(default)
    hold(group)
    inside = list(Backend.objects.live().filter(group=group).order_by("pk"))
    if inside and not force:
        raise GroupNotEmpty(id=group.pk, backends=len(inside))
    for backend in inside:
        move_backend(backend, default, actor=actor)
    if not BackendGroup.objects.live().filter(pk=group.pk).update(deleted_at=db_now()):
        raise NotFound(id=group.pk)
    record("DELETE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", force=force)


@transaction.atomic
def move_backend(
    backend: Backend, group: BackendGroup, *, actor: Actor, come_from: Iterable[int] | None = None
) -> bool:
    """Move a backend to a group; its running jobs stay. Return False if it was there already.

    Raises Conflict if it is in none of the groups `come_from` (when given), or if the group was deleted.
    """
    hold(group, "group")
    # FOR UPDATE waits for transactions that bind jobs to the node; later ones find it in its new group.
    movable = Backend.objects.live().select_for_update(of=("self",)).filter(pk=backend.pk)
    left = movable.values_list("group_id", flat=True).first()
    if left is None:
        raise Conflict(DELETED, backend=backend.pk)
    if come_from is not None and left not in come_from:
        raise Conflict(_("The node is not in the group that it was to leave."), backend=backend.pk)
    backend.group = group
    if left == group.pk:
        return False
    Backend.objects.filter(pk=backend.pk).update(group=group)
    record("MOVE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", left=left, group=group.pk)
    devices_freed.send(BackendGroup, group_ids=[left, group.pk])
    return True


def _set_backends(group: BackendGroup, backends: list[Backend], actor: Actor) -> None:
    """Move nodes so that exactly these are in a group; whoever moves several nodes locks them by id."""
    default = BackendGroup.objects.get(pk=DEFAULT_GROUP)
    stay = {backend.pk for backend in backends}
    leave = Backend.objects.live().filter(group=group).exclude(pk__in=stay)
    come = [backend for backend in backends if backend.group_id != group.pk]
    for backend in sorted([*leave, *come], key=attrgetter("pk")):
        move_backend(backend, group if backend.pk in stay else default, actor=actor)


def _save(group: BackendGroup, changed: Collection[str]) -> None:
    require_row(group, WIRE_NAMES, only=changed)
    with unique(label=group.name):
        group.save()
