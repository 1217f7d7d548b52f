"""Saved filters of operators. The console has no other rows."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import transaction
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.translation import gettext_lazy as _

from accounts.choices import Role
from accounts.models import Operator
from console.models import MOST_QUERY, DefaultFilter, SavedFilter
from core.clock import db_now
from core.errors import Forbidden, InvalidParameter
from core.masking import masked_text
from core.texts import require_texts
from core.unique import unique
from events.actor import Actor
from events.services import record

NOT_SAVED = {"p", "e", "all", "_popup", "_to_field", "_changelist_filters"}  # the position in a list, not a filter
MOST_NAME = 64


def normal_query(query: str) -> str:
    """Return a query string as it is stored: without the page number, and always encoded in the same way."""
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0] not in NOT_SAVED])


def is_list(page: ResolverMatch) -> bool:
    """Whether a page is a list of the admin, or one of the console that is marked with `has_saved_filters`."""
    return (page.url_name or "").endswith("_changelist") or hasattr(page.func, "has_saved_filters")


@transaction.atomic
def save_filter(
    operator: Operator, path: str, name: str, query: str, *, actor: Actor, shared: bool = False
) -> SavedFilter:
    """Store a filter under a name.

    Raises InvalidParameter, Duplicate if the operator already uses the name on this page, and Forbidden if a
    Read-only operator wants to share it.
    """
    name, query = _checked(name), normal_query(query)
    _require_page(path)
    if shared and operator.role == Role.READ_ONLY:
        raise Forbidden
    if len(query) > MOST_QUERY or masked_text(query) != query:  # a list can be searched by a secret
        raise InvalidParameter(_("This filter is too long or contains a secret. It is not saved."), parameter="query")
    saved = SavedFilter(operator=operator, path=path, name=name, query=query, shared=shared, saved_at=db_now())
    _save(saved)
    record("SAVE_FILTER", actor=actor, subject=f"filter/{saved.pk}", path=path, name=name, shared=shared)
    return saved


@transaction.atomic
def rename_filter(saved: SavedFilter, name: str, *, operator: Operator, actor: Actor) -> None:
    """Rename a filter of the operator. Raises Forbidden for a filter of another, InvalidParameter and Duplicate."""
    if saved.operator_id != operator.pk:
        raise Forbidden
    saved.name = _checked(name)
    _save(saved, update_fields=["name"])
    record("RENAME_FILTER", actor=actor, subject=f"filter/{saved.pk}", name=saved.name)


@transaction.atomic
def delete_filter(saved: SavedFilter, *, operator: Operator, actor: Actor) -> None:
    """Delete a filter: the operator's own, or as a Master a shared one. Raises Forbidden."""
    if saved.operator_id != operator.pk and not (saved.shared and operator.role == Role.MASTER):
        raise Forbidden
    pk, path, name = saved.pk, saved.path, saved.name
    saved.delete()
    record("DELETE_FILTER", actor=actor, subject=f"filter/{pk}", path=path, name=name)


@transaction.atomic
def choose_default(saved: SavedFilter, *, operator: Operator, actor: Actor, default: bool = True) -> None:
    """Set or unset a filter as the default of its page for an operator. Raises Forbidden for private ones of others."""
    if saved.operator_id != operator.pk and not saved.shared:
        raise Forbidden
    if default:
        DefaultFilter.objects.update_or_create(operator=operator, path=saved.path, defaults={"saved": saved})
    else:
        DefaultFilter.objects.filter(operator=operator, saved=saved).delete()
    record("CHOOSE_DEFAULT_FILTER", actor=actor, subject=f"filter/{saved.pk}", path=saved.path, default=default)


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MOST_NAME:
        raise InvalidParameter(_("A filter has a name of at most 64 characters."), parameter="name")
    require_texts(name=name)
    return name


def _require_page(path: str) -> None:
    try:
        known = path.startswith("/admin/") and is_list(resolve(path))
    except Resolver404:
        known = False
    if not known:
        raise InvalidParameter(parameter="path")


def _save(saved: SavedFilter, **how: Any) -> None:
    with unique(name=saved.name):
        saved.save(**how)
