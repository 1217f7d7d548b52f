"""Tags: created, changed, deleted, and put on objects."""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.errors import Duplicate, InvalidParameter, NotFound
from core.locks import keep
from core.texts import require_row, values_of
from core.unique import unique
from events.actor import Actor
from events.services import record
from inventory.models import Tag
from inventory.queries import tag_key

MOST_TAGS = 50  # of one object


@transaction.atomic
def create_tag(*, name: str, actor: Actor, **fields: Any) -> Tag:
    """Create a tag; `fields` may be colour, description. Raises Duplicate, InvalidParameter."""
    tag = Tag(name=name, **fields)
    _save(tag, {"name", *fields})
    record("CREATE_TAG", actor=actor, subject=f"tag/{tag.pk}", **values_of(tag, ("name", *fields)))
    return tag


@transaction.atomic
def update_tag(tag: Tag, *, actor: Actor, **fields: Any) -> Tag:
    """Change name, colour or description. Raises Duplicate, InvalidParameter, NotFound."""
    locked = _locked(tag)
    for name, value in fields.items():
        setattr(locked, name, value)
    _save(locked, fields.keys())
    record("UPDATE_TAG", actor=actor, subject=f"tag/{tag.pk}", **values_of(locked, fields))
    return locked


@transaction.atomic
def delete_tag(tag: Tag, *, actor: Actor) -> None:
    """Delete a tag; it leaves the objects that have it. Raises NotFound."""
    locked = _locked(tag)
    locked.delete()
    record("DELETE_TAG", actor=actor, subject=f"tag/{tag.pk}", name=locked.name)


def set_tags(tags: Any, names: Iterable[str], *, actor: Actor) -> list[str]:
    """Let an object have exactly these tags, in the caller's transaction; return their names in order.

    `tags` is the object's relation. A tag that does not exist is created; one that is deleted meanwhile stays away.
    Raises InvalidParameter.
    """
    wanted = {tag_key(name): name.strip() for name in names if name.strip()}
    if len(wanted) > MOST_TAGS:
        raise InvalidParameter(_("An object has at most 50 tags."), parameter="tags")
    found = dict(Tag.objects.filter(key__in=wanted).values_list("key", "pk"))
    made = [_made(name, actor) for key, name in sorted(wanted.items()) if key not in found]
    ids = [*found.values(), *made]
    keep(Tag, ids)
    chosen = list(Tag.objects.filter(pk__in=ids).order_by("key"))
    tags.set(chosen)
    return [tag.name for tag in chosen]


def _made(name: str, actor: Actor) -> int:
    """Return the id of a new tag, or of one that another transaction has created meanwhile."""
    try:
        return int(create_tag(name=name, actor=actor).pk)
    except Duplicate:
        return int(Tag.objects.get(key=tag_key(name)).pk)
    except InvalidParameter as wrong:
        said = wrong.details.get("name") or [wrong.message]
        raise InvalidParameter(_("A value is not valid."), tags=said) from wrong


def _locked(tag: Tag) -> Tag:
    """Read a tag again, so that nobody else changes it or puts it on an object until the transaction ends."""
    locked = Tag.objects.select_for_update().filter(pk=tag.pk).first()
    if locked is None:
        raise NotFound(id=tag.pk)
    return locked


def _save(tag: Tag, changed: Collection[str]) -> None:
    require_row(tag, only=changed)
    tag.key = tag_key(tag.name)
    try:
        tag.clean_fields(exclude={"key"})
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error
    with unique(name=tag.name):
        tag.save()
