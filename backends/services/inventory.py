"""Inventory of a node: rack, unit and serial number, tags, custom fields."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.models import Backend, BackendGroup, BackendGroupFieldValue, NodeFieldValue
from core.errors import Duplicate, InvalidParameter, NotFound
from core.stored_text import StoredText
from events.actor import Actor
from events.services import record
from inventory.queries import tag_key
from inventory.services import set_custom_values, set_tags

COLUMNS = ("rack", "unit", "serial")


def require_free_unit(backend: Backend) -> None:
    """Raise InvalidParameter for a unit without a rack, and Duplicate for a unit that another live node has."""
    if backend.unit is None:
        return
    if not backend.rack:
        raise InvalidParameter(_("A unit needs a rack."), parameter="unit")
    there = Backend.objects.live().filter(rack=backend.rack, unit=backend.unit).exclude(pk=backend.pk)
    if name := there.values_list("name", flat=True).first():
        raise Duplicate(
            StoredText(_("The node %(name)s has this unit of the rack. Empty its unit first."), {"name": name}),
            unit=backend.unit,
        )


def set_node_inventory(
    backend: Backend,
    *,
    actor: Actor,
    tags: Iterable[str] | None = None,
    custom_fields: Mapping[str, Any] | None = None,
    complete: bool = False,
) -> dict[str, Any]:
    """Set tags and custom fields in the caller's transaction; return what an event tells of it.

    `complete`: the node is new, and required fields must be given. Raises InvalidParameter.
    """
    recorded: dict[str, Any] = {}
    if tags is not None:
        recorded["tags"] = set_tags(backend.tags, tags, actor=actor)
    if custom_fields is not None:
        recorded |= _recorded(set_custom_values(NodeFieldValue, backend, custom_fields, complete=complete))
    return recorded


def set_group_fields(group: BackendGroup, given: Mapping[str, Any] | None, *, complete: bool = False) -> dict[str, Any]:
    """Set custom fields of a backend group in the caller's transaction; return what an event tells of it."""
    return (
        {} if given is None else _recorded(set_custom_values(BackendGroupFieldValue, group, given, complete=complete))
    )


@transaction.atomic
def add_tag(backend: Backend, name: str, *, actor: Actor) -> bool:
    """Put a tag on a node, which is created if there is none. Return False if the node has it. Raises NotFound."""
    names = _locked_tags(backend)
    if tag_key(name) in map(tag_key, names):
        return False
    _record_tags(backend, [*names, name], actor)
    return True


@transaction.atomic
def remove_tag(backend: Backend, name: str, *, actor: Actor) -> bool:
    """Take a tag from a node. Return False if the node does not have it. Raises NotFound."""
    names = _locked_tags(backend)
    left = [one for one in names if tag_key(one) != tag_key(name)]
    if len(left) == len(names):
        return False
    _record_tags(backend, left, actor)
    return True


def _locked_tags(backend: Backend) -> list[str]:
    """Lock a node, so that two changes of its tags follow each other, and return the names of its tags."""
    if not Backend.objects.live().select_for_update().filter(pk=backend.pk).exists():
        raise NotFound(id=backend.pk)
    return list(backend.tags.values_list("name", flat=True))


def _record_tags(backend: Backend, names: Iterable[str], actor: Actor) -> None:
    recorded = set_node_inventory(backend, actor=actor, tags=names)
    record("UPDATE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", **recorded)


def _recorded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"customFields": dict(values)} if values else {}
