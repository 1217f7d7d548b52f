"""SDA models, their groups, and memberships."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.texts import require_row, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from inventory.services import set_custom_values
from sda.errors import ModelInUse, SdaGroupInUse
from sda.models import Membership, Sda, SdaModel, SdaModelFieldValue, SdaModelGroup
from tokens.models import TokenGroup


@transaction.atomic
def create_sda_model(
    *,
    name: str,
    num_devices: int,
    actor: Actor,
    description: str = "",
    custom_fields: Mapping[str, Any] | None = None,
) -> SdaModel:
    """Create a model, open to every token until it joins a group.

    `custom_fields` None: nobody was asked, so required ones may be missing. Raises Duplicate, InvalidParameter.
    """
    if num_devices < 1:
        raise InvalidParameter(_("A model stands for at least one device."), parameter="numDevices")
    model = SdaModel(name=name, num_devices=num_devices, description=description)
    _save(model, {"name", "description"})
    details: dict[str, Any] = {"name": model.name, "numDevices": num_devices}
    details |= _set_fields(model, custom_fields, complete=True)
    record("CREATE_SDAMODEL", actor=actor, subject=f"sdamodel/{model.pk}", **details)
    return model


@transaction.atomic
def update_sda_model(
    model: SdaModel, *, actor: Actor, custom_fields: Mapping[str, Any] | None = None, **fields: Any
) -> SdaModel:
    """Change name, description or open. The number of devices cannot change, because usage rests on it.

    `custom_fields`: those that change. Raises Duplicate, InvalidParameter.
    """
    hold(model)
    for name, value in fields.items():
        setattr(model, name, value)
    _save(model, fields.keys())
    details = values_of(model, fields) | _set_fields(model, custom_fields)
    record("UPDATE_SDAMODEL", actor=actor, subject=f"sdamodel/{model.pk}", **details)
    return model


@transaction.atomic
def delete_sda_model(model: SdaModel, *, actor: Actor) -> None:
    """Mark a model as deleted. Raises ModelInUse while SDAs have it."""
    SdaModel.objects.select_for_update().get(pk=model.pk)
    if Sda.objects.live().filter(model=model).exists():
        raise ModelInUse(sdamodel=model.pk)
    if not SdaModel.objects.live().filter(pk=model.pk).update(deleted_at=db_now()):
        raise NotFound(sdamodel=model.pk)
    record("DELETE_SDAMODEL", actor=actor, subject=f"sdamodel/{model.pk}", name=model.name)


@transaction.atomic
def create_sda_model_group(
    *, name: str, backend_group: BackendGroup, actor: Actor, models: Iterable[SdaModel] = (), **fields: Any
) -> SdaModelGroup:
    """Create a model group bound to a backend group; `fields` may be description, index. Raises Duplicate."""
    hold(backend_group, "groupId")
    group = SdaModelGroup(name=name, backend_group=backend_group, **fields)
    _save(group, {"name", *fields})
    told: dict[str, Any] = {"name": group.name, "group": backend_group.pk}
    record("CREATE_SDAMODEL_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", **told)
    for model in models:
        add_model_to_group(model, group, actor=actor)
    return group


@transaction.atomic
def update_sda_model_group(
    group: SdaModelGroup, *, actor: Actor, models: Iterable[SdaModel] | None = None, **fields: Any
) -> SdaModelGroup:
    """Change name, description, index, backend_group, or exactly which models are in it. Raises Duplicate."""
    hold(group)
    if "backend_group" in fields:
        hold(fields["backend_group"], "groupId")
    for name, value in fields.items():
        setattr(group, name, value)
    _save(group, fields.keys())
    details = {name: getattr(value, "pk", value) for name, value in values_of(group, fields).items()}
    record("UPDATE_SDAMODEL_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", **details)
    if models is not None:
        wanted = list(models)
        for model in group.sda_models.exclude(pk__in=[model.pk for model in wanted]):
            remove_model_from_group(model, group, actor=actor)
        for model in wanted:
            add_model_to_group(model, group, actor=actor)
    return group


@transaction.atomic
def delete_sda_model_group(group: SdaModelGroup, *, actor: Actor, force: bool = False) -> None:
    """Mark a model group as deleted.

    Raises SdaGroupInUse while SDAs were created through it or, unless `force`, while it has models or memberships.
    """
    hold(group)
    if Sda.objects.live().filter(model_group=group).exists():
        raise SdaGroupInUse(id=group.pk)
    members = group.memberships.filter(token_group__deleted_at__isnull=True)
    if not force and (members.exists() or group.sda_models.live().exists()):
        raise SdaGroupInUse(id=group.pk)
    group.memberships.all().delete()
    group.sda_models.clear()
    if not SdaModelGroup.objects.live().filter(pk=group.pk).update(deleted_at=db_now()):
        raise NotFound(id=group.pk)
    record("DELETE_SDAMODEL_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", force=force)


@transaction.atomic
def add_model_to_group(model: SdaModel, group: SdaModelGroup, *, actor: Actor) -> None:
    """Put a model into a group; a model that joins its first group is no longer open. Safe to repeat.

    Raises Conflict when either was deleted meanwhile.
    """
    hold(group, "group")
    hold(model, "sdamodel")
    if not group.sda_models.filter(pk=model.pk).exists():
        if not model.groups.exists():
            SdaModel.objects.filter(pk=model.pk).update(open=False)
        group.sda_models.add(model)
    record("ADD_MODEL_TO_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", sdamodel=model.pk)


@transaction.atomic
def remove_model_from_group(model: SdaModel, group: SdaModelGroup, *, actor: Actor) -> None:
    """Take a model out of a group.

    Raises NotFound if it is not in it, and ModelInUse while SDAs with this model were created through the group.
    """
    if not group.sda_models.filter(pk=model.pk).exists():
        raise NotFound(group=group.pk)
    if Sda.objects.live().filter(model=model, model_group=group).exists():
        raise ModelInUse(sdamodel=model.pk)
    group.sda_models.remove(model)
    record("REMOVE_MODEL_FROM_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", sdamodel=model.pk)


@transaction.atomic
def create_membership(token_group: TokenGroup, model_group: SdaModelGroup, *, actor: Actor) -> Membership:
    """Allow the tokens of a user group the models of a model group.

    Raises Duplicate, and Conflict when either was deleted meanwhile.
    """
    hold(token_group, "parentId")
    hold(model_group, "childId")
    membership = Membership(token_group=token_group, model_group=model_group)
    with unique(_("This membership exists."), childId=model_group.pk):
        membership.save()
    record("CREATE_MEMBERSHIP", actor=actor, subject=f"usergroup/{token_group.pk}", child=model_group.pk)
    return membership


@transaction.atomic
def delete_membership(membership: Membership, *, actor: Actor) -> None:
    """Delete a membership; existing SDAs stay until they are deleted or switched. Raises NotFound."""
    if not Membership.objects.filter(pk=membership.pk).delete()[0]:
        raise NotFound(id=membership.pk)
    subject = f"usergroup/{membership.token_group_id}"
    record("DELETE_MEMBERSHIP", actor=actor, subject=subject, child=membership.model_group_id)


def _set_fields(model: SdaModel, given: Mapping[str, Any] | None, *, complete: bool = False) -> dict[str, Any]:
    """Set custom fields, and return what an event tells of it."""
    told = {} if given is None else set_custom_values(SdaModelFieldValue, model, given, complete=complete)
    return {"customFields": told} if told else {}


def _save(row: SdaModel | SdaModelGroup, changed: Collection[str]) -> None:
    name = "label" if isinstance(row, SdaModelGroup) else "name"  # as REST calls it
    require_row(row, {"name": name}, only=changed)
    with unique(**{name: row.name}):
        row.save()
