"""What operators keep for themselves: the console's only own rows."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import IntegrityError, transaction
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.translation import gettext_lazy as _

from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.console.models import MOST_QUERY, DefaultFilter, SavedFilter
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Duplicate, Forbidden, InvalidParameter
from moreh_cloud.lib.masking import masked_text

NOT_KEPT = {"p", "e", "all", "_popup", "_to_field", "_changelist_filters"}  # where one is in a list, not what it shows
MOST_NAME = 64


def normal_query(query: str) -> str:
    """Give a query string as it is kept: without the page number, always encoded in the same way."""
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0] not in NOT_KEPT])


def is_list(page: ResolverMatch) -> bool:
    """Tell whether a page is a list of the admin, or one of the console that is marked with `keeps_filters`."""
    return (page.url_name or "").endswith("_changelist") or hasattr(page.func, "keeps_filters")


@transaction.atomic
def save_filter(
    operator: Operator, path: str, name: str, query: str, *, actor: Actor, shared: bool = False
) -> SavedFilter:
    """Keep a filter under a name.

    Raises InvalidParameter, Duplicate for a name that the operator uses on this page, and Forbidden when a Read-only
    operator wants to share.
    """
    name, query = _checked(name), normal_query(query)
    _require_page(path)
    if shared and operator.role == Role.READ_ONLY:
        raise Forbidden
    if len(query) > MOST_QUERY or masked_text(query) != query:  # a list can be searched by a secret
        raise InvalidParameter(_("This filter is too long, or holds a secret; it is not kept."), parameter="query")
    saved = SavedFilter(operator=operator, path=path, name=name, query=query, shared=shared, saved_at=db_now())
    _save(saved)
    record("SAVE_FILTER", actor=actor, subject=f"filter/{saved.pk}", path=path, name=name, shared=shared)
    return saved


@transaction.atomic
def rename_filter(saved: SavedFilter, name: str, *, operator: Operator, actor: Actor) -> None:
    """Give one's own filter another name. Raises Forbidden, InvalidParameter and Duplicate."""
    if saved.operator_id != operator.pk:
        raise Forbidden
    saved.name = _checked(name)
    _save(saved, update_fields=["name"])
    record("RENAME_FILTER", actor=actor, subject=f"filter/{saved.pk}", name=saved.name)


@transaction.atomic
def delete_filter(saved: SavedFilter, *, operator: Operator, actor: Actor) -> None:
    """Forget a filter: its maker may, and a Master where it is shared. Raises Forbidden."""
    if saved.operator_id != operator.pk and not (saved.shared and operator.role == Role.MASTER):
        raise Forbidden
    pk, path, name = saved.pk, saved.path, saved.name
    saved.delete()
    record("DELETE_FILTER", actor=actor, subject=f"filter/{pk}", path=path, name=name)


@transaction.atomic
def choose_default(saved: SavedFilter, *, operator: Operator, actor: Actor, default: bool = True) -> None:
    """Have a page open with a filter for this operator, or no longer. Raises Forbidden for others' private ones."""
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
    return name


def _require_page(path: str) -> None:
    try:
        known = path.startswith("/admin/") and is_list(resolve(path))
    except Resolver404:
        known = False
    if not known:
        raise InvalidParameter(parameter="path")


def _save(saved: SavedFilter, **how: Any) -> None:
    try:
        with transaction.atomic():
            saved.save(**how)
    except IntegrityError as error:
        raise Duplicate(name=saved.name) from error
