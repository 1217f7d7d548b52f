from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.admin import actor_of, event_table
from moreh_cloud.lib.admin import (
    ExactNumber,
    ForceForm,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    confirmed,
    link_to,
)
from scheduler.queries import queue
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from sda.models import Sda
from sda.services.sdas import set_current_sda

LATEST = 20


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


@admin.register(Sda)
class SdaAdmin(ServiceAdmin):
    list_display = ("__str__", "token_link", "model", "model_group", "shown_kind", "current")
    list_filter = (Tombstones, "reserved", "current", "model", "model_group", ByToken)
    list_select_related = ("token", "model", "model_group")
    search_fields = ("alias", "token__description")
    ordering = ("-id",)
    autocomplete_fields = ("token", "model", "model_group")
    actions = ("make_current", "delete")
    actions_detail = ("make_current", "delete")
    fields = ("token", "model", "model_group", "alias", "reserved", "current")
    wire_names = {"sdamodel": "model", "maxSdaCount": "token"}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("current",) if obj is None else ("token", "alias", "reserved", "current")

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Sda:
        how = {"alias": data["alias"], "group": data["model_group"], "reserved": data["reserved"]}
        return create_sda(data["token"], data["model"], actor=actor_of(request), **how)

    def update_row(self, request: HttpRequest, row: Sda, changes: dict[str, Any]) -> None:
        group = changes.get("model_group", None if "model" in changes else row.model_group)
        switch_model(row, changes.get("model", row.model), actor=actor_of(request), group=group)

    @confirmed(_("Make current"), says=_("Programs of the token that name no SDA get this one."), icon="star")
    def make_current(self, actor: Actor, row: Sda, _data: dict[str, Any]) -> None:
        set_current_sda(row, actor=actor)

    @confirmed(
        _("Delete"),
        says=_("The SDA leaves; what it had reserved becomes free."),
        form=ForceForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Sda, data: dict[str, Any]) -> None:
        delete_sda(row, actor=actor, force=data["force"])

    @admin.display(description=_("token"), ordering="token__description")
    def token_link(self, row: Sda) -> SafeString | str:
        return link_to(row.token)

    @admin.display(description=_("kind"), ordering="reserved")
    def shown_kind(self, row: Sda) -> SafeString:
        return badge(_("reserved"), "info") if row.reserved else badge(_("on demand"))

    def tables(self, request: HttpRequest, row: Sda) -> Iterable[Table]:
        held = row.allocations.filter(ended_at=None).select_related("device__backend").order_by("device_id")
        shown = [(link_to(one.device.backend), link_to(one.device, f"{one.device.index:02}")) for one in held]
        yield Table(_("Devices that it holds now"), (_("backend"), _("device")), shown)
        jobs = queue().filter(sda=row)[:LATEST]
        live = [(link_to(job, f"#{job.pk}"), job.get_status_display(), job.num_devices) for job in jobs]
        yield Table(_("Live jobs"), (_("job"), _("status"), _("devices")), live)
        yield event_table(f"sda/{row.pk}")
