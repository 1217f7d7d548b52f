from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from moreh_cloud.bulk.choices import UNDER_WAY, BulkState, ItemState
from moreh_cloud.bulk.models import BulkAction, BulkItem
from moreh_cloud.bulk.queries import items_of
from moreh_cloud.bulk.services import stop_bulk
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.admin import ServiceAdmin, ago, badge, confirmed
from moreh_cloud.lib.errors import Message
from moreh_cloud.lib.said import say

ITEMS_A_PAGE = 100
TONES = {BulkState.QUEUED: "warning", BulkState.RUNNING: "info", BulkState.ENDED: "success", BulkState.STOPPED: ""}
ITEM_TONES = {
    ItemState.WAITING: "",
    ItemState.DONE: "success",
    ItemState.FAILED: "danger",
    ItemState.SKIPPED: "warning",
}
COUNTERS = {
    ItemState.FAILED: "failed",
    ItemState.DONE: "done",
    ItemState.SKIPPED: "skipped",
    ItemState.WAITING: "left",
}


@admin.register(BulkAction)
class BulkActionAdmin(ServiceAdmin):
    """The list of them, and for each the page that shows how far it is."""

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
        says=_("What is done stays done; the rest is not done."),
        icon="stop_circle",
        dangerous=True,
    )
    def stop(self, actor: Actor, row: BulkAction, _data: dict[str, Any]) -> None:
        stop_bulk(row, actor=actor)

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may stop it: who may change what it is about."""
        about = obj.noun.lower().replace(".", ".change_") if obj else "bulk.change_bulkaction"
        user: Any = request.user
        return super().has_operate_permission(request, obj) and bool(user.has_perm(about))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show how far it is, and what became of each item."""
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
            "state": badge(bulk.get_state_display(), TONES[BulkState(bulk.state)]),
            "under_way": bulk.state in UNDER_WAY,
            "percent": f"{100 * bulk.settled / bulk.total:.1f}" if bulk.total else "100",
            "tabs": _tabs(bulk, only),
            "may_stop": bulk.state in UNDER_WAY and self.has_operate_permission(request, bulk),
            "only": only,
            **_items(bulk, only, request.GET.get("p", "1")),
        }
        return TemplateResponse(request, "bulk/progress.html", context)

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
        return badge(row.get_state_display(), TONES[BulkState(row.state)])

    @admin.display(description=_("progress"))
    def progress(self, row: BulkAction) -> SafeString | str:
        told = _("%(settled)s of %(total)s, %(failed)s refused")
        return format_html(
            '<span class="whitespace-nowrap">{}</span>',
            told % {"settled": row.settled, "total": row.total, "failed": row.failed},
        )

    @admin.display(description=_("requested"), ordering="requested_at")
    def asked(self, row: BulkAction) -> SafeString | str:
        return ago(row.requested_at)

    @admin.display(description=_("end"), ordering="ended_at")
    def ended(self, row: BulkAction) -> SafeString | str:
        return ago(row.ended_at)


def title_of(bulk: BulkAction) -> Message:
    """Say what is done, as the button did."""
    page = admin.site._registry.get(apps.get_model(bulk.noun))
    step = getattr(getattr(type(page), bulk.verb, None), "step", None)
    title: Message = step.title if step else bulk.verb
    return title


def noun_of(bulk: BulkAction) -> Message:
    opts: Any = apps.get_model(bulk.noun)._meta
    noun: Message = opts.verbose_name if bulk.total == 1 else opts.verbose_name_plural
    return noun


def _tabs(bulk: BulkAction, only: str) -> list[tuple[str, Message, int, bool]]:
    """Give the ways to look at the items: all, or those of one state, with how many there are."""
    states = [(state.value, capfirst(state.label), getattr(bulk, name)) for state, name in COUNTERS.items()]
    return [(value, label, number, value == only) for value, label, number in [("", _("All"), bulk.total), *states]]


def _items(bulk: BulkAction, only: str, number: str) -> dict[str, Any]:
    pages = Paginator(items_of(bulk, only), ITEMS_A_PAGE)
    pages.count = getattr(bulk, COUNTERS[ItemState(only)]) if only in ItemState else bulk.total
    page = pages.get_page(number)
    label = bulk.noun.lower().replace(".", "_")
    return {"items": [_shown(item, label) for item in page], "page": page}


def _shown(item: BulkItem, label: str) -> dict[str, Any]:
    try:
        address = reverse(f"admin:{label}_change", args=[item.object_pk])
    except NoReverseMatch:
        address = ""
    state = badge(item.get_state_display(), ITEM_TONES[ItemState(item.state)])
    return {"name": item.name, "address": address, "state": state, "message": say(item.message)}
