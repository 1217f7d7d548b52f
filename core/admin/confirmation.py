"""Confirmation of an action, and its start: at once for a few rows, by workers for many."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.admin.bulk_runner import ConfirmedRows, bulk_runner
from core.admin.formatting import Secret
from core.admin.row_forms import explain
from core.errors import Conflict, DomainError, Message
from core.stored_text import Skipped, action_result
from core.tombstone import DELETED

AT_ONCE = 50  # rows that are done in the request; each is a transaction of its own
MOST = 100_000  # rows of one bulk action
MOST_TOGETHER = 10_000  # rows of an action that gets all of them at once
NAMED = 20  # rows whose names the page lists
PIECE = 2000  # rows in memory at once while a selection is read


@dataclass(frozen=True, slots=True)
class ConfirmedAction:
    """An action that asks first: its texts, its form, its permission and what it does to a row.

    `unless`: the rows for which it cannot be done, and the reason. `together`: the verb gets all rows at once. `about`:
    a table for the page about the rows.
    """

    name: str
    title: Message
    explanation: Message
    form: type[Any]
    permission: str
    dangerous: bool
    verb: Callable[[Any, Any, Any, dict[str, Any]], object]
    unless: tuple[Q, Message] | None = None
    together: bool = False
    about: Callable[[QuerySet[Any]], Any] | None = None

    def act(self, admin: Any, actor: Any, row: Any, data: dict[str, Any]) -> object:
        """Do it to a row. Raises Conflict for a row that is deleted."""
        if admin.is_deleted(row):
            raise Conflict(DELETED, id=row.pk)
        return self.verb(admin, actor, row, data)


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that a request selects, and whether they are those that the operator confirmed."""

    rows: QuerySet[Any]
    count: int
    digest: str
    confirmed: bool
    changed: bool
    page: bool


def confirm(
    admin: Any, request: HttpRequest, action: ConfirmedAction, rows: QuerySet[Any], *, page: bool
) -> HttpResponse:
    """Return the confirmation page, or carry out the action when exactly these rows were confirmed."""
    if already := _sent_before(admin, request, rows):
        return already
    count = rows.count()
    if page and not count:
        raise Http404
    allows = getattr(admin, f"has_{action.permission}_permission")
    if not allows(request):
        raise PermissionDenied
    if not count:
        return _nothing_left(admin, request)
    if impossible := _why_with_none(admin, action, rows):
        messages.error(request, str(impossible))
        return HttpResponseRedirect(_after(admin, request, rows.first()))
    if page and not allows(request, rows.first()):
        raise PermissionDenied
    most = MOST_TOGETHER if action.together else MOST
    if count > most:
        messages.error(request, _("At most %(most)s rows at once; narrow the list first.") % {"most": most})
        return HttpResponseRedirect(request.get_full_path())
    selection = _read_selection(request, rows, count, page=page)
    form = action.form(request.POST if "agreed" in request.POST else None)
    if selection.confirmed and form.is_valid():
        return _do(admin, request, action, selection, form)
    return _confirmation_page(admin, request, action, selection, form)


def _why_with_none(admin: Any, action: ConfirmedAction, rows: QuerySet[Any]) -> Message:
    """Return why the action can be done with none of the rows; "" if it can with one."""
    if not admin.live(rows).exists():
        return DELETED
    return action.unless[1] if action.unless and not rows.exclude(action.unless[0]).exists() else ""


def _read_selection(request: HttpRequest, rows: QuerySet[Any], count: int, *, page: bool) -> Selection:
    """Compare the confirmed rows with the rows of now: their number and, where the form has it, their digest."""
    agreed, selected = request.POST.get("agreed", ""), request.POST.get("selection", "")
    digest = _digest(rows.order_by().values_list("pk", flat=True))
    same = agreed == str(count) and selected in ("", digest)
    return Selection(rows, count, digest, confirmed=same, changed=bool(agreed) and not same, page=page)


def _digest(pks: Iterable[Any]) -> str:
    """Return a digest of a set of rows, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(map(str, pks))).encode(), digest_size=16).hexdigest()


def _confirmation_page(
    admin: Any, request: HttpRequest, action: ConfirmedAction, selection: Selection, form: Any
) -> HttpResponse:
    opts = admin.model._meta
    named = list(selection.rows[:NAMED])
    context = {
        **admin.admin_site.each_context(request),
        "title": action.title,
        "opts": opts,
        "step": action,
        "form": form,
        "count": selection.count,
        "noun": opts.verbose_name if selection.count == 1 else opts.verbose_name_plural,
        "named": [admin.name_of(row) for row in named],
        "others": selection.count - len(named),
        "refused": _refused(action, selection),
        "changed": selection.changed,
        "later": selection.count > AT_ONCE and not action.together,
        "about": action.about(selection.rows) if action.about else None,
        "key": uuid4().hex,
        "selection": selection.digest,
        "fields": [] if selection.page else _repeat(request, action),
        "back": _page_of(named[0]) if selection.page and named else _came_from(request) or request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _refused(action: ConfirmedAction, selection: Selection) -> str:
    """Return with how many of the rows the action cannot be done, and why; "" when it can with all."""
    out = selection.rows.filter(action.unless[0]).count() if action.unless else 0
    if not action.unless or not out:
        return ""
    left = ngettext("%(rows)s row is left as it is:", "%(rows)s rows are left as they are:", out)
    return f"{left % {'rows': out}} {action.unless[1]}"


def _repeat(request: HttpRequest, action: ConfirmedAction) -> list[tuple[str, str]]:
    """Return the hidden fields that choose the same rows again: all of a filtered list, or those that were ticked."""
    everything = request.POST.get("select_across", "0") == "1"
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    chosen = [(ACTION_CHECKBOX_NAME, pk) for pk in (ticked[:1] if everything else ticked)]
    came = [("back", address)] if (address := _came_from(request)) else []
    return [("action", action.name), ("select_across", "1" if everything else "0"), *came, *chosen]


def _came_from(request: HttpRequest) -> str:
    """Return the page of ours that sent the rows here and wants the operator back, if another one than the list did."""
    address = request.POST.get("back", "")
    return address if address.startswith("/") and url_has_allowed_host_and_scheme(address, None) else ""


def _do(admin: Any, request: HttpRequest, action: ConfirmedAction, selection: Selection, form: Any) -> HttpResponse:
    if selection.count > AT_ONCE and not action.together:
        rows = [
            (row.pk, admin.name_of(row)) for row in selection.rows.prefetch_related(None).iterator(chunk_size=PIECE)
        ]
        if _digest(pk for pk, _name in rows) != selection.digest:  # it changed while it was read
            return _confirmation_page(admin, request, action, selection, form)
        return bulk_runner().begin(
            request, ConfirmedRows(admin.model._meta.label, action.name, rows, _sent(request, form), _key(request))
        )
    if already := _sent_before(admin, request, selection.rows, note=True):
        return already
    few = list(selection.rows)
    if action.together and few:
        return _carry_out_together(admin, request, action, selection, form)
    return _carry_out(admin, request, action, few, form.cleaned_data) if few else _nothing_left(admin, request)


def _nothing_left(admin: Any, request: HttpRequest) -> HttpResponse:
    """Return to the list: other operators, programs or time left none of the rows that the action is for."""
    messages.warning(request, _("None of these rows is left. Nothing was changed."))
    return HttpResponseRedirect(_after(admin, request, None))


def _sent_before(admin: Any, request: HttpRequest, rows: QuerySet[Any], *, note: bool = False) -> HttpResponse | None:
    """Return the answer for a form that was sent before; a double click acts once."""
    key = _key(request)
    return bulk_runner().sent_before(request, key, _after(admin, request, rows.first()), note=note) if key else None


def _key(request: HttpRequest) -> str:
    return request.POST.get("key", "")


def _sent(request: HttpRequest, form: Any) -> dict[str, list[str]]:
    """Return what was sent for the fields of a form, so that a worker can fill it in again."""
    names = tuple(form.fields)
    return {
        name: request.POST.getlist(name)
        for name in request.POST
        if name in names or name.rpartition("_")[0] in names  # fields of several parts end in _0, _1
    }


def _carry_out(
    admin: Any, request: HttpRequest, action: ConfirmedAction, rows: list[Any], data: Mapping[str, Any]
) -> HttpResponse:
    done, unchanged, actor = 0, 0, bulk_runner().actor_of(request)
    for row in rows:
        try:
            result = action_result(action.act(admin, actor, row, dict(data)))
        except DomainError as refusal:
            messages.error(request, f"{admin.name_of(row)}: {explain(refusal)}")
            continue
        if isinstance(result, Skipped):
            unchanged += 1
            messages.warning(request, f"{admin.name_of(row)}: {result}")
            continue
        done += 1
        if isinstance(result, Secret):
            shown: HttpResponse = admin.show_secret(request, row, result)
            return shown
        if result:
            messages.info(request, f"{admin.name_of(row)}: {result}")
    counted = _("%(action)s: %(done)s of %(all)s.") % {"action": action.title, "done": done, "all": len(rows)}
    if unchanged:
        left = ngettext("%(rows)s row was left as it is.", "%(rows)s rows were left as they are.", unchanged)
        messages.info(request, f"{counted} {left % {'rows': unchanged}}")
    elif done:
        messages.success(request, counted)
    return HttpResponseRedirect(_after(admin, request, rows[0]))


def _carry_out_together(
    admin: Any, request: HttpRequest, action: ConfirmedAction, selection: Selection, form: Any
) -> HttpResponse:
    """Carry out an action with all rows; a refusal is shown at its field, or above the form."""
    try:
        result = action.verb(admin, bulk_runner().actor_of(request), list(selection.rows), dict(form.cleaned_data))
    except DomainError as refusal:
        parameter = str(refusal.details.get("parameter", ""))
        field = form.wire_names.get(parameter, parameter)
        form.add_error(field if field in form.fields else None, explain(refusal))
        return _confirmation_page(admin, request, action, selection, form)
    messages.success(request, str(action_result(result) or action.title))
    return HttpResponseRedirect(_after(admin, request, selection.rows.first()))


def _after(admin: Any, request: HttpRequest, row: Any) -> str:
    """Lead back: to the list with its filters, or to the page of the row while there is one."""
    opts = admin.model._meta
    changelist = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    if request.path == changelist:
        return _came_from(request) or request.get_full_path()
    alive = admin.get_queryset(request).filter(pk=row.pk).first() if row else None
    return _page_of(alive) if alive and not admin.is_deleted(alive) else changelist


def _page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
