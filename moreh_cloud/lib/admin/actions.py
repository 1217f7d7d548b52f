"""Actions that ask first: a page says what will happen to how many; then a service is called for each row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanWidget

from moreh_cloud.lib.admin.rows import explain
from moreh_cloud.lib.admin.shown import Secret
from moreh_cloud.lib.errors import DomainError, Message

MOST = 1000  # rows in one request; each is a transaction of its own
NAMED = 20  # rows whose names the page lists

Verb = Callable[[Any, HttpRequest, Any, dict[str, Any]], object]


class ConfirmForm(forms.Form):
    """What an action wants to know besides its rows."""


def force_field(label: Any, help_text: Any) -> forms.BooleanField:
    """Make the box that must be ticked for what would otherwise be refused."""
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanWidget, help_text=help_text)


class ForceForm(ConfirmForm):
    force = force_field(
        gettext_lazy("Even if it ends jobs"),
        gettext_lazy("Jobs that are in the way are lost. Without it, rows with jobs are refused or drain."),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One confirmed action: its words, its form and what it does to a row."""

    name: str
    title: Message
    says: Message
    form: type[ConfirmForm]
    dangerous: bool
    verb: Verb


def confirmed(
    title: Message,
    *,
    says: Message,
    form: type[ConfirmForm] = ConfirmForm,
    permission: str = "operate",
    icon: str = "",
    dangerous: bool = False,
) -> Callable[[Verb], Any]:
    """Make an admin action, for lists and pages, of a method that does it to one row; `says` tells what will happen.

    The method may give a Secret (for one row only), which is shown instead of the list.
    """

    def decorate(verb: Verb) -> Any:
        step = Step(verb.__name__, title, says, form, dangerous, verb)

        @wraps(verb)
        def run(
            self: Any, request: HttpRequest, queryset: QuerySet[Any] | None = None, object_id: str | None = None
        ) -> HttpResponse:
            rows = self.get_queryset(request).filter(pk=object_id) if queryset is None else queryset
            return _answer(self, request, step, rows, permission, page=queryset is None)

        looks: dict[str, Any] = {
            "short_description": title,
            "allowed_permissions": [permission],
            "icon": icon,
            "variant": ActionVariant.DEFAULT,  # the page that asks is where danger is shown
            "attrs": {},
            "original_function_name": verb.__name__,
        }
        run.__dict__.update(looks)
        return run

    return decorate


def _answer(
    admin: Any, request: HttpRequest, step: Step, rows: QuerySet[Any], permission: str, *, page: bool
) -> HttpResponse:
    """Ask, or do it when the same number of rows was agreed to."""
    count = rows.count()
    if page and not count:
        raise Http404
    if not getattr(admin, f"has_{permission}_permission")(request, rows.first() if page else None):
        raise PermissionDenied
    agreed = request.POST.get("agreed", "")
    form = step.form(request.POST if agreed else None)
    if count > MOST:
        messages.error(request, _("At most %(most)s rows at once; narrow the list first.") % {"most": MOST})
        return HttpResponseRedirect(request.get_full_path())
    if agreed == str(count) and form.is_valid():
        return _carry_out(admin, request, step, list(rows), form.cleaned_data)
    return _ask(admin, request, step, rows, form, count=count, agreed=agreed, page=page)


def _ask(
    admin: Any,
    request: HttpRequest,
    step: Step,
    rows: QuerySet[Any],
    form: ConfirmForm,
    *,
    count: int,
    agreed: str,
    page: bool,
) -> HttpResponse:
    opts = admin.model._meta
    named = list(rows[:NAMED])
    context = {
        **admin.admin_site.each_context(request),
        "title": step.title,
        "opts": opts,
        "step": step,
        "form": form,
        "count": count,
        "noun": opts.verbose_name if count == 1 else opts.verbose_name_plural,
        "named": named,
        "others": count - len(named),
        "changed": agreed not in ("", str(count)),
        "fields": [] if page else _repeat(request, step),
        "back": _page_of(named[0]) if page else request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _repeat(request: HttpRequest, step: Step) -> list[tuple[str, str]]:
    """Give the hidden fields that choose the same rows again: all of a filtered list, or those that were ticked."""
    everything = request.POST.get("select_across", "0") == "1"
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    chosen = [(ACTION_CHECKBOX_NAME, pk) for pk in (ticked[:1] if everything else ticked)]
    return [("action", step.name), ("select_across", "1" if everything else "0"), *chosen]


def _carry_out(admin: Any, request: HttpRequest, step: Step, rows: list[Any], data: Mapping[str, Any]) -> HttpResponse:
    done = 0
    for row in rows:
        try:
            result = step.verb(admin, request, row, dict(data))
        except DomainError as refusal:
            messages.error(request, f"{row}: {explain(refusal)}")
            continue
        done += 1
        if isinstance(result, Secret):
            answer: HttpResponse = admin.show_secret(request, row, result)
            return answer
        if result:
            messages.info(request, f"{row}: {result}")
    if done:
        messages.success(
            request, _("%(action)s: %(done)s of %(all)s.") % {"action": step.title, "done": done, "all": len(rows)}
        )
    return HttpResponseRedirect(_after(admin, request, rows))


def _after(admin: Any, request: HttpRequest, rows: list[Any]) -> str:
    """Lead back: to the list with its filters, or to the page of the row while there is one."""
    opts = admin.model._meta
    changelist = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    if request.path == changelist:
        return request.get_full_path()
    alive = admin.get_queryset(request).filter(pk=rows[0].pk).first()
    return _page_of(alive) if alive and getattr(alive, "deleted_at", None) is None else changelist


def _page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def fields_of(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Pick the named fields that are there."""
    return {name: data[name] for name in names if name in data}
