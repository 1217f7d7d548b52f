"""Backend groups, as far as SDA model groups are bound to them."""

from django.db import transaction

from backends.choices import DEFAULT_GROUP
from backends.errors import GroupInUse
from backends.models import BackendGroup
from backends.services import groups
from core.tombstone import hold
from events.actor import Actor
from sda.queries import is_backend_group_used


@transaction.atomic
def delete_backend_group(group: BackendGroup, *, actor: Actor, force: bool = False) -> None:
    """Delete a backend group that no SDA model group is bound to.

    Raises GroupInUse, DefaultGroup, GroupNotEmpty (see `backends.services.groups`).
    """
    if group.pk != DEFAULT_GROUP:
        hold(BackendGroup(pk=DEFAULT_GROUP))  # where its nodes go; groups are locked by id
    BackendGroup.objects.select_for_update().filter(pk=group.pk).first()
    if group.pk != DEFAULT_GROUP and is_backend_group_used(group):
        raise GroupInUse(id=group.pk)
    groups.delete_backend_group(group, actor=actor, force=force)
