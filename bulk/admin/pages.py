from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from bulk.choices import IMPORT, TRY_IMPORT, UNDER_WAY, BulkState, ItemState
from bulk.errors import NotReady, SentBefore
from bulk.models import BulkAction, BulkItem
from bulk.queries import items_of
from bulk.services import begin_import, stop_bulk
from core.admin import ServiceAdmin, badge, confirmed, time_ago
from core.crypto import SecretUnreadable
from core.errors import Message
from core.stored_text import render
from events.actor import Actor
from events.admin import actor_of

ITEMS_A_PAGE = 100
COLOURS = {BulkState.QUEUED: "warning", BulkState.RUNNING: "info", BulkState.ENDED: "success", BulkState.STOPPED: ""}
ITEM_TONES = {
    ItemState.WAITING: "",
    ItemState.DONE: "success",
    ItemState.FAILED: "danger",
    ItemState.SKIPPED: "warning",
}
# What a dry run says of its items: it has done nothing.
LOOKED_AT = {
    ItemState.FAILED: _("refused"),
    ItemState.DONE: _("new or changed"),
    ItemState.SKIPPED: _("unchanged"),
    ItemState.WAITING: _("not looked at yet"),
}
IMPORTS = {TRY_IMPORT: _("Import, dry run"), IMPORT: _("Import")}
COUNTERS = {
    ItemState.FAILED: "failed",
    ItemState.DONE: "done",
    ItemState.SKIPPED: "skipped",
    ItemState.WAITING: "left",
}


@admin.register(BulkAction)
class BulkActionAdmin(ServiceAdmin):
    """The list of them, and for each the page that shows how far it is."""

    comes_from = _("Actions on more than 50 rows, and files of more than 50 lines, show their progress here.")
    list_display = ("number", "shown_verb", "shown_noun", "actor", "shown_state", "progress", "asked", "ended")
    list_filter = ("state",)
    search_fields = ("id__exact", "actor", "noun", "verb")
    search_help_text = _("Number, administrator, noun or action")
    ordering = ("-id",)
    live_topics = "bulk"
    actions = ("stop",)
    actions_detail = ("stop",)

    @confirmed(
        _("Stop"),
        explanation=_("What is done stays done; the rest is not done."),
        icon="stop_circle",
        dangerous=True,
    )
    def stop(self, actor: Actor, row: BulkAction, _data: dict[str, Any]) -> None:
        stop_bulk(row, actor=actor)

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the caller may stop it: change the rows that it is about."""
        about = obj.noun.lower().replace(".", ".change_") if obj else "bulk.change_bulkaction"
        user: Any = request.user
        return super().has_operate_permission(request, obj) and bool(user.has_perm(about))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the progress, and the result of each item."""
        bulk = self.get_object(request, object_id)
        if bulk is None or not self.has_view_permission(request, bulk):
            raise Http404
        only = request.GET.get("only", "")
        context = {
            **self.admin_site.each_context(request),
            "title": title_of(bulk),
            "opts": self.model._meta,
            "bulk": bulk,
            "noun": noun_of(bulk),
            "state": badge(bulk.get_state_display(), COLOURS[BulkState(bulk.state)]),
            "under_way": bulk.state in UNDER_WAY,
            "percent": f"{100 * bulk.settled / bulk.total:.1f}" if bulk.total else "100",
            "tabs": _tabs(bulk, only),
            "dry_run": bulk.verb == TRY_IMPORT,
            "carried_out": (carried_out := _carried_out(bulk)),
            "may_carry_out": not carried_out and self._may_carry_out(request, bulk),
            "may_stop": bulk.state in UNDER_WAY and self.has_operate_permission(request, bulk),
            "only": only,
            **_items(bulk, only, request.GET.get("p", "1")),
        }
        return TemplateResponse(request, "bulk/progress.html", context)

    def _may_carry_out(self, request: HttpRequest, bulk: BulkAction) -> bool:
        ready = bulk.verb == TRY_IMPORT and bulk.state == BulkState.ENDED and bulk.done > 0
        return ready and self.has_operate_permission(request, bulk)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.carry_out))
        return [path("<int:pk>/carry_out/", view, name="bulk_bulkaction_carry_out"), *super().get_urls()]

    def carry_out(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Carry out what a dry run has shown; a second click leads to what the first one began."""
        dry_run = get_object_or_404(BulkAction, pk=pk)
        if not self.has_operate_permission(request, dry_run):
            raise PermissionDenied
        operator: Any = request.user
        try:
            shown = begin_import(dry_run, operator=operator, actor=actor_of(request)).pk
        except SentBefore as refusal:
            shown = refusal.bulk or pk
        except (NotReady, SecretUnreadable) as refusal:
            messages.error(request, str(refusal))
            shown = pk
        return HttpResponseRedirect(reverse("admin:bulk_bulkaction_change", args=[shown]))

    @admin.display(description=_("number"), ordering="id")
    def number(self, row: BulkAction) -> str:
        return str(row)

    @admin.display(description=_("action"), ordering="verb")
    def shown_verb(self, row: BulkAction) -> Message:
        return title_of(row)

    @admin.display(description=_("of"), ordering="noun")
    def shown_noun(self, row: BulkAction) -> str:
        return f"{row.total} {noun_of(row)}"

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: BulkAction) -> SafeString:
        return badge(row.get_state_display(), COLOURS[BulkState(row.state)])

    @admin.display(description=_("progress"))
    def progress(self, row: BulkAction) -> SafeString | str:
        told = _("%(settled)s of %(total)s, %(failed)s refused")
        return format_html(
            '<span class="whitespace-nowrap">{}</span>',
            told % {"settled": row.settled, "total": row.total, "failed": row.failed},
        )

    @admin.display(description=_("requested"), ordering="requested_at")
    def asked(self, row: BulkAction) -> SafeString | str:
        return time_ago(row.requested_at)

    @admin.display(description=_("end"), ordering="ended_at")
    def ended(self, row: BulkAction) -> SafeString | str:
        return time_ago(row.ended_at)


def _carried_out(bulk: BulkAction) -> int | None:
    """Return the number of what carries out a dry run, once somebody has asked for it."""
    if bulk.verb != TRY_IMPORT:
        return None
    return BulkAction.objects.filter(source=bulk).values_list("pk", flat=True).first()


def title_of(bulk: BulkAction) -> Message:
    """Return the title of the action, as on its button."""
    if bulk.verb in IMPORTS:
        return IMPORTS[bulk.verb]
    page = admin.site._registry.get(apps.get_model(bulk.noun))
    step = getattr(getattr(type(page), bulk.verb, None), "step", None)
    title: Message = step.title if step else bulk.verb
    return title


def noun_of(bulk: BulkAction) -> Message:
    """Return what the rows of the action are called."""
    opts: Any = apps.get_model(bulk.noun)._meta
    noun: Message = opts.verbose_name if bulk.total == 1 else opts.verbose_name_plural
    return noun


def _tabs(bulk: BulkAction, only: str) -> list[tuple[str, Message, int, bool]]:
    """Return the ways to look at the items: all, or those of one state, with how many there are."""
    tabs: list[tuple[str, Message, int]] = [("", _("All"), bulk.total)]
    tabs += [(state, capfirst(str(_word(bulk, state))), getattr(bulk, name)) for state, name in COUNTERS.items()]
    return [(value, label, number, value == only) for value, label, number in tabs]


def _items(bulk: BulkAction, only: str, number: str) -> dict[str, Any]:
    pages = Paginator(items_of(bulk, only), ITEMS_A_PAGE)
    pages.count = getattr(bulk, COUNTERS[ItemState(only)]) if only in ItemState else bulk.total
    page = pages.get_page(number)
    return {"items": [_shown(bulk, item) for item in page], "page": page}


def _shown(bulk: BulkAction, item: BulkItem) -> dict[str, Any]:
    address = ""
    if bulk.verb not in IMPORTS:  # whose items are lines of a file
        address = reverse(f"admin:{bulk.noun.lower().replace('.', '_')}_change", args=[item.object_pk])
    state = ItemState(item.state)
    return {
        "name": item.name,
        "address": address,
        "state": badge(_word(bulk, state), ITEM_TONES[state]),
        "message": render(item.message),
    }


def _word(bulk: BulkAction, state: ItemState) -> Message:
    return LOOKED_AT[state] if bulk.verb == TRY_IMPORT else state.label
