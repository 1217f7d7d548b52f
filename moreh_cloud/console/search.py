"""Ctrl K: finds pages, nodes, customers, groups, models and jobs, as far as the operator may see them."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from moreh_cloud.console.queries.search import MOST, Found, find_job, find_rows, nouns

SHORTEST = 2  # characters, below which nearly everything would be found; numbers of jobs may be shorter
ICONS = {
    "backend": "dns",
    "token": "badge",
    "tokengroup": "group",
    "sdamodel": "category",
    "sdamodelgroup": "folder_special",
    "backendgroup": "workspaces",
    "job": "play_circle",
}


def search(request: HttpRequest, text: str) -> list[SearchResult]:
    """Find what is called exactly so, then pages of the menu, then rows of every noun."""
    text = text.strip()
    rows = [found for found in find_job(text) if _may_see(request, found.model)]
    for noun in nouns() if len(text) >= SHORTEST else ():
        if _may_see(request, noun.rows.model):
            rows += find_rows(noun, text)
    exact, others = [row for row in rows if row.exact], [row for row in rows if not row.exact]
    return [*map(_shown, exact), *_pages(request, text), *map(_shown, others)]


def _pages(request: HttpRequest, text: str) -> list[SearchResult]:
    """Find pages of the menu by what they are called in any of the languages."""
    site: Any = admin.site
    found = []
    for part in site.get_sidebar_list(request):
        for item in part["items"]:
            if item["has_permission"] and any(text.lower() in name.lower() for name in _names(item["title"])):
                page = SearchResult(str(item["title"]), _("Page"), str(item["link"]), item["icon"])
                found.append((not _begins(item["title"], text), page))
    return [page for _rank, page in sorted(found, key=lambda one: one[0])][:MOST]


def _names(title: Any) -> Iterator[str]:
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            yield str(title)


def _begins(title: Any, text: str) -> bool:
    return any(name.lower().startswith(text.lower()) for name in _names(title))


def _shown(found: Found) -> SearchResult:
    opts = found.model._meta
    kind = capfirst(str(opts.verbose_name))
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[found.pk])
    description = f"{kind} · {found.beside}" if found.beside else kind
    return SearchResult(found.name, description, address, ICONS[opts.model_name])


def _may_see(request: HttpRequest, model: type[Any]) -> bool:
    opts = model._meta
    return bool(getattr(request.user, "has_perm", bool)(f"{opts.app_label}.view_{opts.model_name}"))
