from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import DEFAULT_GROUP
from backends.errors import DefaultGroup, GroupNotEmpty
from backends.models import Backend, BackendGroup
from backends.signals import devices_freed
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Conflict, Duplicate, NotFound
from moreh_cloud.lib.tombstone import hold


@transaction.atomic
def create_backend_group(*, name: str, actor: Actor, backends: Iterable[Backend] = (), **fields: Any) -> BackendGroup:
    """Make a backend group; `fields` may be any column, as for `update_backend_group`. Raises Duplicate."""
    group = BackendGroup(name=name, **fields)
    _save(group)
    record("CREATE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", name=name, **fields)
    for backend in backends:
        move_backend(backend, group, actor=actor)
    return group


@transaction.atomic
def update_backend_group(
    group: BackendGroup, *, actor: Actor, backends: Iterable[Backend] | None = None, **fields: Any
) -> BackendGroup:
    """Change name, description, index, combine, the rules of scheduling, or exactly which backends are in it.

    Raises Duplicate.

    Backends that are no longer named go to the default group.
    """
    hold(group)
    for name, value in fields.items():
        setattr(group, name, value)
    _save(group)
    record("UPDATE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", **fields)
    if backends is not None:
        _set_backends(group, list(backends), actor)
    devices_freed.send(BackendGroup, group_ids=[group.pk])
    return group


@transaction.atomic
def delete_backend_group(group: BackendGroup, *, actor: Actor, force: bool = False) -> None:
    """Leave a tombstone.

    Raises DefaultGroup, and GroupNotEmpty unless `force`, which sends its backends to the default group.
    """
    if group.pk == DEFAULT_GROUP:
        raise DefaultGroup(id=group.pk)
    hold(group)
    inside = list(Backend.objects.live().filter(group=group))
    if inside and not force:
        raise GroupNotEmpty(id=group.pk, backends=len(inside))
    default = BackendGroup.objects.get(pk=DEFAULT_GROUP)
    for backend in inside:
        move_backend(backend, default, actor=actor)
    if not BackendGroup.objects.live().filter(pk=group.pk).update(deleted_at=db_now()):
        raise NotFound(id=group.pk)
    record("DELETE_BACKEND_GROUP", actor=actor, subject=f"backendgroup/{group.pk}", force=force)


@transaction.atomic
def move_backend(
    backend: Backend, group: BackendGroup, *, actor: Actor, come_from: Iterable[int] | None = None
) -> Backend:
    """Put a backend into another group; its running jobs stay.

    Raises Conflict if it is not in one of the groups `come_from` (when given) any more, or the group was deleted.
    """
    hold(group, "group")
    movable = Backend.objects.live().filter(pk=backend.pk)
    if come_from is not None:
        movable = movable.filter(group__in=come_from)
    left = backend.group_id
    if not movable.update(group=group):
        raise Conflict(_("The node is not in the group that it was to leave."), backend=backend.pk)
    record("MOVE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", left=left, group=group.pk)
    devices_freed.send(BackendGroup, group_ids=[left, group.pk])
    backend.group = group
    return backend


def _set_backends(group: BackendGroup, wished: list[Backend], actor: Actor) -> None:
    default = BackendGroup.objects.get(pk=DEFAULT_GROUP)
    stay = {backend.pk for backend in wished}
    for backend in Backend.objects.live().filter(group=group).exclude(pk__in=stay):
        move_backend(backend, default, actor=actor)
    for backend in wished:
        if backend.group_id != group.pk:
            move_backend(backend, group, actor=actor)


def _save(group: BackendGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Duplicate(label=group.name) from error
