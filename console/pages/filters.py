"""Saved filters: the forms above every list, and the filter with which a list opens."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from console.models import SavedFilter
from console.services import (
    choose_default,
    delete_filter,
    is_list,
    normal_query,
    rename_filter,
    save_filter,
)
from core.errors import DomainError
from core.stored_text import with_details
from events.actor import Actor

REFUSED = (400, 404)
SKIPPED = _(
    "Your default filter “%(name)s” cannot be used any more, so the list opens without it. "
    "Delete it under “Manage filters”, or choose another one."
)
EVERYTHING = "?p=1"  # a query string without filters; an empty one would open the default filter


def has_saved_filters(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return a view of the console, marked as one with saved filters; lists of the admin need no mark."""
    view.has_saved_filters = True  # type: ignore[attr-defined]
    return view


def filters_of(request: HttpRequest) -> Sequence[SavedFilter]:
    """Return the saved filters of the requested page; one query per request."""
    found: Sequence[SavedFilter] | None = getattr(request, "saved_filters", None)
    if found is None:
        found = list(SavedFilter.objects.available_to(request.user.pk, request.path))
        request.saved_filters = found  # type: ignore[attr-defined]
    return found


class DefaultFilters:
    """Middleware that redirects from a list without filters to the operator's default filter.

    A default filter that the list refuses is skipped with a message, else the list could not be opened.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self._get_response(request)
        refused = _default_of(request) if answer.status_code in REFUSED and _is_opened(request) else None
        if refused is None or refused.query != normal_query(request.META["QUERY_STRING"]):
            return answer
        messages.warning(request, str(SKIPPED) % {"name": refused.name})
        return HttpResponseRedirect(request.path + EVERYTHING)

    def process_view(self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any) -> HttpResponse | None:
        """Return a redirect to the default filter; None for every other request."""
        if request.META["QUERY_STRING"] or not _is_opened(request):
            return None
        chosen = _default_of(request)
        return HttpResponseRedirect(f"{request.path}?{chosen.query}") if chosen else None


def _is_opened(request: HttpRequest) -> bool:
    """Whether an operator opens a list."""
    match = getattr(request, "resolver_match", None)
    plain = request.method == "GET" and "X-Live-Part" not in request.headers
    return bool(match and is_list(match) and plain and getattr(request.user, "may_enter", False))


def _default_of(request: HttpRequest) -> SavedFilter | None:
    """Return the operator's default filter of the page, if it filters anything."""
    return next((saved for saved in filters_of(request) if saved.is_default and saved.query), None)  # type: ignore[attr-defined]


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Save the filter of a page, and redirect to the page."""
    texts = {name: request.POST.get(name, "") for name in ("path", "name", "query")}
    shared = request.POST.get("shared") == "on"
    query = normal_query(texts["query"])
    path = texts["path"] if texts["path"].startswith("/admin/") else "/admin/"
    back = f"{path}?{query}" if query else path + EVERYTHING
    user: Any = request.user
    return _do(request, back, lambda: save_filter(user, **texts, shared=shared, actor=_actor(request)))


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or delete a saved filter, or set or unset it as default, and redirect to its page."""
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
