"""Saved filters: four small forms above every list, and the filter that a list opens with."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from moreh_cloud.console.models import SavedFilter
from moreh_cloud.console.services import (
    choose_default,
    delete_filter,
    is_list,
    normal_query,
    rename_filter,
    save_filter,
)
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import DomainError
from moreh_cloud.lib.said import with_details

EVERYTHING = "?p=1"  # a query that says "no filter", where none at all would open the default


def keeps_filters(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a page of the console as one that opens with the reader's default filter; lists do so by themselves."""
    view.keeps_filters = True  # type: ignore[attr-defined]
    return view


def filters_of(request: HttpRequest) -> Sequence[SavedFilter]:
    """Give the saved filters of the page that is asked for; one query per request."""
    found: Sequence[SavedFilter] | None = getattr(request, "saved_filters", None)
    if found is None:
        found = list(SavedFilter.objects.seen_by(request.user.pk, request.path))
        request.saved_filters = found  # type: ignore[attr-defined]
    return found


class DefaultFilters:
    """Lead from a list that is opened without a filter to the one that the reader has chosen for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        plain = request.method == "GET" and not request.META["QUERY_STRING"] and "X-Live-Part" not in request.headers
        if not (match and is_list(match) and plain and getattr(request.user, "may_enter", False)):
            return None
        chosen = next((saved for saved in filters_of(request) if saved.is_default), None)  # type: ignore[attr-defined]
        return HttpResponseRedirect(f"{request.path}?{chosen.query}") if chosen and chosen.query else None


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filter of a page."""
    said = {name: request.POST.get(name, "") for name in ("path", "name", "query")}
    shared = request.POST.get("shared") == "on"
    query = normal_query(said["query"])
    path = said["path"] if said["path"].startswith("/admin/") else "/admin/"
    back = f"{path}?{query}" if query else path + EVERYTHING
    user: Any = request.user
    return _do(request, back, lambda: save_filter(user, **said, shared=shared, actor=_actor(request)))


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or delete a saved filter, or make it the default or no longer."""
    user: Any = request.user
    saved = get_object_or_404(SavedFilter, pk=pk)
    who: dict[str, Any] = {"operator": user, "actor": _actor(request)}
    verbs: dict[str, Callable[[], object]] = {
        "rename": lambda: rename_filter(saved, request.POST.get("name", ""), **who),
        "delete": lambda: delete_filter(saved, **who),
        "default": lambda: choose_default(saved, **who),
        "no-default": lambda: choose_default(saved, **who, default=False),
    }
    verb = request.POST.get("do", "")
    query = normal_query(request.POST.get("query", ""))
    back = f"{saved.path}?{query}" if query else saved.path + EVERYTHING
    return _do(request, back, verbs.get(verb, lambda: None))


def _do(request: HttpRequest, back: str, act: Callable[[], object]) -> HttpResponse:
    try:
        act()
    except DomainError as refusal:
        messages.error(request, with_details(str(refusal), refusal.details))
    return HttpResponseRedirect(back)


def _actor(request: HttpRequest) -> Actor:
    return Actor(request.user.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))
