"""The import of SDA models, their groups and memberships."""

from typing import Any

from backends.queries import live_backend_groups
from core.admin.cells import by_field, flag, found_by_name, row_named, rows_named
from core.admin.importing import IMPORTERS, Column, Importer
from events.actor import Actor
from sda.models import Membership, SdaModel, SdaModelGroup
from sda.services.models import (
    create_membership,
    create_sda_model,
    create_sda_model_group,
    update_sda_model,
    update_sda_model_group,
)
from tokens.queries import live_token_groups


def _create_model(actor: Actor, values: dict[str, Any]) -> None:
    is_open = values.pop("open", True)
    made = create_sda_model(actor=actor, **values)
    if not is_open:
        update_sda_model(made, actor=actor, open=False)


def _find_membership(values: Any) -> Membership | None:
    pair = {"token_group": values.get("user_group"), "model_group": values.get("sda_model_group")}
    found: Membership | None = Membership.objects.filter(**pair).first() if all(pair.values()) else None
    return found


def _models_of(row: SdaModelGroup) -> list[str]:
    return sorted(model.name for model in row.sda_models.all() if model.deleted_at is None)


IMPORTERS[SdaModel] = Importer(
    columns=(
        Column("name", by_field(SdaModel, "name"), lambda row: row.name, needed=True),
        Column("num_devices", by_field(SdaModel, "num_devices"), lambda row: row.num_devices, needed=True, fixed=True),
        Column("description", by_field(SdaModel, "description"), lambda row: row.description),
        Column("open", flag, lambda row: row.open),
    ),
    find=found_by_name(SdaModel.objects.live),
    create=_create_model,
    update=lambda actor, row, changes: update_sda_model(row, actor=actor, **changes),
    names={"label": "name", "numDevices": "num_devices"},
)
IMPORTERS[SdaModelGroup] = Importer(
    columns=(
        Column("name", by_field(SdaModelGroup, "name"), lambda row: row.name, needed=True),
        Column("description", by_field(SdaModelGroup, "description"), lambda row: row.description),
        Column("index", by_field(SdaModelGroup, "index"), lambda row: row.index),
        Column("backend_group", row_named(live_backend_groups), lambda row: row.backend_group.name, needed=True),
        Column("models", rows_named(SdaModel.objects.live), _models_of),
    ),
    find=found_by_name(SdaModelGroup.objects.live),
    create=lambda actor, values: create_sda_model_group(actor=actor, **values),
    update=lambda actor, row, changes: update_sda_model_group(row, actor=actor, **changes),
    names={"label": "name", "groupId": "backend_group"},
)
IMPORTERS[Membership] = Importer(
    columns=(
        Column("user_group", row_named(live_token_groups), lambda row: row.token_group.name, needed=True),
        Column("sda_model_group", row_named(SdaModelGroup.objects.live), lambda row: row.model_group.name, needed=True),
    ),
    find=_find_membership,
    create=lambda actor, values: create_membership(values["user_group"], values["sda_model_group"], actor=actor),
    update=lambda _actor, _row, _changes: None,  # there is nothing that could change
    key=("user_group", "sda_model_group"),
    names={"parentId": "user_group", "childId": "sda_model_group"},
)
