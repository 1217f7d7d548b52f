"""The search dialog (Ctrl K): pages, nodes, customers, groups, models and jobs that the operator may see."""

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

from console.queries.search import MOST, SearchHit, find_job, find_rows, nouns

SHORTEST = 2  # characters of a search text, because a shorter one finds nearly everything; not for numbers of jobs
ICONS = {
    "backend": "dns",
    "token": "badge",
    "tokengroup": "group",
    "sdamodel": "category",
    "sdamodelgroup": "folder_special",
    "backendgroup": "workspaces",
    "job": "play_circle",
    "tag": "label",
}


def search(request: HttpRequest, text: str) -> list[SearchResult]:
    """Return rows whose name is exactly the text, then pages of the menu, then other rows."""
    text = text.strip()
    rows = [found for found in find_job(text) if _may_see(request, found.model)]
    for noun in nouns() if len(text) >= SHORTEST else ():
        if _may_see(request, noun.rows.model):
            rows += find_rows(noun, text)
    exact, others = [row for row in rows if row.exact], [row for row in rows if not row.exact]
    return [*map(_result_of, exact), *_pages(request, text), *map(_result_of, others)]


def _pages(request: HttpRequest, text: str) -> list[SearchResult]:
    """Return pages of the menu whose title in any language contains the text."""
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


def _result_of(found: SearchHit) -> SearchResult:
    opts = found.model._meta
    kind = capfirst(str(opts.verbose_name))
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[found.pk])
    description = f"{kind} · {found.hint}" if found.hint else kind
    return SearchResult(found.name, description, address, ICONS[opts.model_name])


def _may_see(request: HttpRequest, model: type[Any]) -> bool:
    opts = model._meta
    return bool(getattr(request.user, "has_perm", bool)(f"{opts.app_label}.view_{opts.model_name}"))
