"""How an action asks, and what happens when it was agreed to: at once for a few rows, by workers for many."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from moreh_cloud.lib.admin.carrier import Agreed, carrier
from moreh_cloud.lib.admin.rows import explain
from moreh_cloud.lib.admin.shown import Secret
from moreh_cloud.lib.errors import DomainError, Message

AT_ONCE = 50  # rows that are done in the request; each is a transaction of its own
MOST = 100_000  # rows of one bulk action
NAMED = 20  # rows whose names the page lists
PIECE = 2000  # rows in memory at once while a selection is read


@dataclass(frozen=True, slots=True)
class Step:
    """One confirmed action: its words, its form, who may do it and what it does to a row."""

    name: str
    title: Message
    says: Message
    form: type[Any]
    permission: str
    dangerous: bool
    verb: Callable[[Any, Any, Any, dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of an action: how many rows it is about, and whether they are those that were agreed to."""

    rows: QuerySet[Any]
    count: int
    selection: str
    agreed: bool
    changed: bool
    page: bool


def answer(admin: Any, request: HttpRequest, step: Step, rows: QuerySet[Any], *, page: bool) -> HttpResponse:
    """Ask, or do it when exactly these rows were agreed to."""
    if already := _sent_before(admin, request, rows):
        return already
    count = rows.count()
    if page and not count:
        raise Http404
    if not getattr(admin, f"has_{step.permission}_permission")(request, rows.first() if page else None):
        raise PermissionDenied
    if count > MOST:
        messages.error(request, _("At most %(most)s rows at once; narrow the list first.") % {"most": MOST})
        return HttpResponseRedirect(request.get_full_path())
    asked = _judge(request, rows, count, page=page)
    form = step.form(request.POST if "agreed" in request.POST else None)
    if asked.agreed and form.is_valid():
        return _do(admin, request, step, asked, form)
    return _ask(admin, request, step, asked, form)


def _judge(request: HttpRequest, rows: QuerySet[Any], count: int, *, page: bool) -> Asked:
    """Compare what was agreed to with the rows of now: their number and, where the form says it, which ones."""
    agreed, selected = request.POST.get("agreed", ""), request.POST.get("selection", "")
    selection = _digest(rows.order_by().values_list("pk", flat=True))
    same = agreed == str(count) and selected in ("", selection)
    return Asked(rows, count, selection, agreed=same, changed=bool(agreed) and not same, page=page)


def _digest(pks: Iterable[Any]) -> str:
    """Give a short sign of a set of rows, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(map(str, pks))).encode(), digest_size=16).hexdigest()


def _ask(admin: Any, request: HttpRequest, step: Step, asked: Asked, form: Any) -> HttpResponse:
    opts = admin.model._meta
    named = list(asked.rows[:NAMED])
    context = {
        **admin.admin_site.each_context(request),
        "title": step.title,
        "opts": opts,
        "step": step,
        "form": form,
        "count": asked.count,
        "noun": opts.verbose_name if asked.count == 1 else opts.verbose_name_plural,
        "named": [admin.name_of(row) for row in named],
        "others": asked.count - len(named),
        "changed": asked.changed,
        "later": asked.count > AT_ONCE,
        "key": uuid4().hex,
        "selection": asked.selection,
        "fields": [] if asked.page else _repeat(request, step),
        "back": _page_of(named[0]) if asked.page else _came_from(request) or request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _repeat(request: HttpRequest, step: Step) -> list[tuple[str, str]]:
    """Give the hidden fields that choose the same rows again: all of a filtered list, or those that were ticked."""
    everything = request.POST.get("select_across", "0") == "1"
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    chosen = [(ACTION_CHECKBOX_NAME, pk) for pk in (ticked[:1] if everything else ticked)]
    came = [("back", address)] if (address := _came_from(request)) else []
    return [("action", step.name), ("select_across", "1" if everything else "0"), *came, *chosen]


def _came_from(request: HttpRequest) -> str:
    """Give the page of ours that sent the rows here and wants the operator back, if another one than the list did."""
    address = request.POST.get("back", "")
    return address if address.startswith("/") and url_has_allowed_host_and_scheme(address, None) else ""


def _do(admin: Any, request: HttpRequest, step: Step, asked: Asked, form: Any) -> HttpResponse:
    if asked.count > AT_ONCE:
        rows = [(row.pk, admin.name_of(row)) for row in asked.rows.prefetch_related(None).iterator(chunk_size=PIECE)]
        if _digest(pk for pk, _name in rows) != asked.selection:  # it changed while it was read
            return _ask(admin, request, step, asked, form)
        return carrier().begin(
            request, Agreed(admin.model._meta.label, step.name, rows, _sent(request, form), _key(request))
        )
    if already := _sent_before(admin, request, asked.rows, note=True):
        return already
    return _carry_out(admin, request, step, list(asked.rows), form.cleaned_data)


def _sent_before(admin: Any, request: HttpRequest, rows: QuerySet[Any], *, note: bool = False) -> HttpResponse | None:
    """Answer the second sending of a form: a double click does a thing once."""
    key = _key(request)
    return carrier().sent_before(request, key, _after(admin, request, rows.first()), note=note) if key else None


def _key(request: HttpRequest) -> str:
    return request.POST.get("key", "")


def _sent(request: HttpRequest, form: Any) -> dict[str, list[str]]:
    """Give what was sent for the fields of a form, so that a worker can fill it in again."""
    names = tuple(form.fields)
    return {
        name: request.POST.getlist(name)
        for name in request.POST
        if name in names or name.rpartition("_")[0] in names  # fields of several parts end in _0, _1
    }


def _carry_out(admin: Any, request: HttpRequest, step: Step, rows: list[Any], data: Mapping[str, Any]) -> HttpResponse:
    done, actor = 0, carrier().actor_of(request)
    for row in rows:
        try:
            result = step.verb(admin, actor, row, dict(data))
        except DomainError as refusal:
            messages.error(request, f"{admin.name_of(row)}: {explain(refusal)}")
            continue
        done += 1
        if isinstance(result, Secret):
            shown: HttpResponse = admin.show_secret(request, row, result)
            return shown
        if result:
            messages.info(request, f"{admin.name_of(row)}: {result}")
    if done:
        messages.success(
            request, _("%(action)s: %(done)s of %(all)s.") % {"action": step.title, "done": done, "all": len(rows)}
        )
    return HttpResponseRedirect(_after(admin, request, rows[0]))


def _after(admin: Any, request: HttpRequest, row: Any) -> str:
    """Lead back: to the list with its filters, or to the page of the row while there is one."""
    opts = admin.model._meta
    changelist = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    if request.path == changelist:
        return _came_from(request) or request.get_full_path()
    alive = admin.get_queryset(request).filter(pk=row.pk).first() if row else None
    return _page_of(alive) if alive and getattr(alive, "deleted_at", None) is None else changelist


def _page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
