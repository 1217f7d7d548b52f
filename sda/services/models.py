from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, NotFound
from moreh_cloud.lib.tombstone import hold
from sda.errors import ModelInUse, SdaGroupInUse
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from tokens.models import TokenGroup


@transaction.atomic
def create_sda_model(*, name: str, num_devices: int, actor: Actor, description: str = "") -> SdaModel:
    """Make a model that is open to every token until it is first grouped. Raises Duplicate, InvalidParameter."""
    if num_devices < 1:
        raise InvalidParameter(_("A model stands for at least one device."), parameter="numDevices")
    model = SdaModel(name=name, num_devices=num_devices, description=description)
    _save(model)
    record("CREATE_SDAMODEL", actor=actor, subject=f"sdamodel/{model.pk}", name=name, numDevices=num_devices)
    return model


@transaction.atomic
def update_sda_model(model: SdaModel, *, actor: Actor, **fields: Any) -> SdaModel:
    """Change name, description or open. The number of devices stays: jobs and usage were counted with it."""
    hold(model)
    for name, value in fields.items():
        setattr(model, name, value)
    _save(model)
    record("UPDATE_SDAMODEL", actor=actor, subject=f"sdamodel/{model.pk}", **fields)
    return model


@transaction.atomic
def delete_sda_model(model: SdaModel, *, actor: Actor) -> None:
    """Leave a tombstone. Raises ModelInUse while SDAs have it."""
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
    """Make a model group bound to a backend group; `fields` may be description, index. Raises Duplicate."""
    hold(backend_group, "groupId")
    group = SdaModelGroup(name=name, backend_group=backend_group, **fields)
    _save(group)
    record("CREATE_SDAMODEL_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", name=name, group=backend_group.pk)
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
    _save(group)
    told = {name: getattr(value, "pk", value) for name, value in fields.items()}
    record("UPDATE_SDAMODEL_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", **told)
    if models is not None:
        wished = list(models)
        for model in group.sda_models.exclude(pk__in=[model.pk for model in wished]):
            remove_model_from_group(model, group, actor=actor)
        for model in wished:
            add_model_to_group(model, group, actor=actor)
    return group


@transaction.atomic
def delete_sda_model_group(group: SdaModelGroup, *, actor: Actor, force: bool = False) -> None:
    """Leave a tombstone. Raises SdaGroupInUse while SDAs came through it or, unless `force`, while it has members."""
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
    """Put a model into a group; its first grouping ends its being open. Twice is once.

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
    """Take a model out of a group. Raises NotFound if it is not in it, ModelInUse while SDAs came through it."""
    if not group.sda_models.filter(pk=model.pk).exists():
        raise NotFound(group=group.pk)
    if Sda.objects.live().filter(model=model, model_group=group).exists():
        raise ModelInUse(sdamodel=model.pk)
    group.sda_models.remove(model)
    record("REMOVE_MODEL_FROM_GROUP", actor=actor, subject=f"sdamodelgroup/{group.pk}", sdamodel=model.pk)


@transaction.atomic
def create_membership(token_group: TokenGroup, model_group: SdaModelGroup, *, actor: Actor) -> Membership:
    """Give the tokens of a user group the models of a model group.

    Raises Duplicate, and Conflict when either was deleted meanwhile.
    """
    hold(token_group, "parentId")
    hold(model_group, "childId")
    membership = Membership(token_group=token_group, model_group=model_group)
    try:
        with transaction.atomic():
            membership.save()
    except IntegrityError as error:
        raise Duplicate(_("This membership exists."), childId=model_group.pk) from error
    record("CREATE_MEMBERSHIP", actor=actor, subject=f"usergroup/{token_group.pk}", child=model_group.pk)
    return membership


@transaction.atomic
def delete_membership(membership: Membership, *, actor: Actor) -> None:
    """Take the right away; SDAs that exist stay until they are deleted or switched."""
    if not Membership.objects.filter(pk=membership.pk).delete()[0]:
        raise NotFound(id=membership.pk)
    subject = f"usergroup/{membership.token_group_id}"
    record("DELETE_MEMBERSHIP", actor=actor, subject=subject, child=membership.model_group_id)


def _save(row: SdaModel | SdaModelGroup) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        name = "label" if isinstance(row, SdaModelGroup) else "name"  # as REST calls it
        raise Duplicate(**{name: row.name}) from error
