"""Nodes and their groups from a file, through the services that make and change them one by one."""

from typing import Any

from django.db.models import Prefetch

from backends.choices import DEFAULT_GROUP
from backends.models import Backend, BackendGroup
from backends.services.groups import create_backend_group, move_backend, update_backend_group
from backends.services.nodes import create_backend, update_backend
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.admin import fields_of
from moreh_cloud.lib.admin.importing import (
    IMPORTERS,
    Column,
    Importer,
    by_field,
    flag,
    hidden_text,
    key_text,
    number,
    row_named,
    rows_named,
)


def _create_backend(actor: Actor, values: dict[str, Any]) -> None:
    renamed = {"device_count": "devices"}
    wanted = {renamed.get(name, name): value for name, value in values.items()}
    wanted.setdefault("group", BackendGroup.objects.get(pk=DEFAULT_GROUP))
    create_backend(actor=actor, **wanted)


def _update_backend(actor: Actor, row: Backend, changes: dict[str, Any]) -> None:
    bmc = {name.removeprefix("bmc_"): value for name, value in changes.items() if name.startswith("bmc_")}
    plain = fields_of(changes, "ip", "port", "description")
    if plain or bmc:
        update_backend(row, actor=actor, bmc=bmc, **plain)
    if "group" in changes:
        move_backend(row, changes["group"], actor=actor)


def _update_group(actor: Actor, row: BackendGroup, changes: dict[str, Any]) -> None:
    members = changes.pop("members", None)
    update_backend_group(row, actor=actor, backends=members, **changes)


def _device_model(row: Backend) -> str:
    return next((device.model for device in row.devices.all()), "")


IMPORTERS[Backend] = Importer(
    columns=(
        Column("name", key_text, lambda row: row.name, needed=True),
        Column("group", row_named(BackendGroup.objects.live), lambda row: row.group.name),
        Column("ip", by_field(Backend, "ip"), lambda row: row.ip, needed=True),
        Column("port", by_field(Backend, "port"), lambda row: row.port),
        Column("description", by_field(Backend, "description"), lambda row: row.description),
        Column("device_count", number, lambda row: len(row.devices.all()), fixed=True),
        Column("device_model", key_text, _device_model, fixed=True),
        Column("bmc_ip", key_text, lambda row: row.bmc.ip, needed=True),
        Column("bmc_port", number, lambda row: row.bmc.port),
        Column("bmc_user", hidden_text, secret=True),
        Column("bmc_password", hidden_text, secret=True),
    ),
    find=lambda values: Backend.objects.live().select_related("group", "bmc").filter(name=values.get("name")).first(),
    create=_create_backend,
    update=_update_backend,
    names={"label": "name", "workerip": "ip", "node": "bmc_ip", "bmcPort": "bmc_port", "devices": "device_count"},
)
IMPORTERS[BackendGroup] = Importer(
    columns=(
        Column("name", by_field(BackendGroup, "name"), lambda row: row.name, needed=True),
        Column("description", by_field(BackendGroup, "description"), lambda row: row.description),
        Column("index", by_field(BackendGroup, "index"), lambda row: row.index),
        Column("combine", flag, lambda row: row.combine),
        Column("members", rows_named(Backend.objects.live), lambda row: sorted(one.name for one in row.backends.all())),
    ),
    find=lambda values: _groups().filter(name=values.get("name")).first(),
    create=lambda actor, values: create_backend_group(actor=actor, backends=values.pop("members", ()), **values),
    update=_update_group,
    prefetch=(Prefetch("backends", Backend.objects.live().only("id", "name", "group")),),
    names={"label": "name"},
)


def _groups() -> Any:
    return BackendGroup.objects.live().prefetch_related(*IMPORTERS[BackendGroup].prefetch)
