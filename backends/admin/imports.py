"""The import of nodes and their groups, which uses the same services as the forms."""

from typing import Any

from django.db.models import BooleanField, Prefetch

from backends.admin.forms import WIRE_NAMES
from backends.choices import DEFAULT_GROUP
from backends.group_rules import GROUP_RULES
from backends.models import Backend, BackendGroup, Bmc
from backends.power.certificate import normal_certificate
from backends.services.groups import create_backend_group, move_backend, update_backend_group
from backends.services.inventory import COLUMNS
from backends.services.nodes import create_backend, update_backend
from core.admin import fields_of
from core.admin.cells import (
    by_field,
    flag,
    found_by_name,
    hidden_text,
    key_text,
    names_of,
    number,
    row_named,
    rows_named,
)
from core.admin.importing import IMPORTERS, Column, Importer
from events.actor import Actor
from inventory.queries import all_tags, tag_key

_unit_of = by_field(Backend, "unit")


def _create_backend(actor: Actor, values: dict[str, Any]) -> None:
    renamed = {"device_count": "devices"}
    wanted = {renamed.get(name, name): value for name, value in values.items()}
    wanted.setdefault("group", BackendGroup.objects.get(pk=DEFAULT_GROUP))
    create_backend(actor=actor, **wanted)


def _update_backend(actor: Actor, row: Backend, changes: dict[str, Any]) -> None:
    bmc = {name.removeprefix("bmc_"): value for name, value in changes.items() if name.startswith("bmc_")}
    plain = fields_of(changes, "ip", "port", "description", *COLUMNS, "tags", "custom_fields")
    if "group" in changes:
        move_backend(row, changes["group"], actor=actor)
    if plain or bmc:
        update_backend(row, actor=actor, bmc=bmc, **plain)


def _update_group(actor: Actor, row: BackendGroup, changes: dict[str, Any]) -> None:
    members = changes.pop("members", None)
    update_backend_group(row, actor=actor, backends=members, **changes)


def _device_model(row: Backend) -> str:
    return next((device.model for device in row.devices.all()), "")


def _rule(name: str) -> Column:
    """Return the column of a setting of a group."""
    is_flag = isinstance(BackendGroup._meta.get_field(name), BooleanField)
    return Column(name, flag if is_flag else by_field(BackendGroup, name), lambda row: getattr(row, name))


def _certificate(cell: Any) -> Any:
    """Read a fingerprint or a CA, in its normal form, so that the same one is no change."""
    return normal_certificate(str(by_field(Bmc, "certificate")(cell)))


def _unit(cell: Any) -> int | None:
    """Parse a unit; an empty cell empties it."""
    return None if cell in ("", None) else int(_unit_of(cell))


def _tags(cell: Any) -> list[str]:
    """Parse the names of tags; an empty cell removes all tags. Two names that differ only in case are one."""
    names = {tag_key(name): name.strip() for name in names_of(cell or [])}
    stored = {tag.key: tag.name for tag in all_tags().filter(key__in=names)}
    return sorted(stored.get(key, name) for key, name in names.items())


def _groups() -> Any:
    return BackendGroup.objects.live().prefetch_related(*IMPORTERS[BackendGroup].prefetch)


IMPORTERS[Backend] = Importer(
    columns=(
        Column("name", by_field(Backend, "name"), lambda row: row.name, needed=True),
        Column("group", row_named(BackendGroup.objects.live), lambda row: row.group.name),
        Column("ip", by_field(Backend, "ip"), lambda row: row.ip, needed=True),
        Column("port", by_field(Backend, "port"), lambda row: row.port),
        Column("description", by_field(Backend, "description"), lambda row: row.description),
        Column("rack", by_field(Backend, "rack"), lambda row: row.rack),
        Column("unit", _unit, lambda row: row.unit),
        Column("serial", by_field(Backend, "serial"), lambda row: row.serial),
        Column("tags", _tags, lambda row: sorted(tag.name for tag in row.tags.all())),
        Column("device_count", number, lambda row: len(row.devices.all()), fixed=True),
        Column("device_model", key_text, _device_model, fixed=True),
        Column("bmc_ip", key_text, lambda row: row.bmc.ip or ""),
        Column("bmc_port", by_field(Bmc, "port"), lambda row: row.bmc.port),
        Column("bmc_driver", by_field(Bmc, "driver"), lambda row: row.bmc.driver),
        Column("bmc_certificate", _certificate, lambda row: row.bmc.certificate),
        Column("bmc_user", hidden_text, secret=True),
        Column("bmc_password", hidden_text, secret=True),
    ),
    find=found_by_name(lambda: Backend.objects.live().select_related("group", "bmc")),
    create=_create_backend,
    update=_update_backend,
    together={"bmc_driver": ("bmc_port",)},  # a usual port would follow the driver, although the file names it
    names={**WIRE_NAMES, "devices": "device_count", "tags": "tags"},
)
IMPORTERS[BackendGroup] = Importer(
    columns=(
        Column("name", by_field(BackendGroup, "name"), lambda row: row.name, needed=True),
        Column("description", by_field(BackendGroup, "description"), lambda row: row.description),
        Column("index", by_field(BackendGroup, "index"), lambda row: row.index),
        Column("combine", flag, lambda row: row.combine),
        *map(_rule, GROUP_RULES.values()),
        Column("members", rows_named(Backend.objects.live), lambda row: sorted(one.name for one in row.backends.all())),
    ),
    find=found_by_name(_groups),
    create=lambda actor, values: create_backend_group(actor=actor, backends=values.pop("members", ()), **values),
    update=_update_group,
    prefetch=(Prefetch("backends", Backend.objects.live().only("id", "name", "group")),),
    names={"label": "name"},
)
