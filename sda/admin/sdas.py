from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
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
from sda.queries import access_of
from sda.services.sdas import set_current_sda
from tokens.models import Token

LATEST = 20


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


@admin.register(Sda)
class SdaAdmin(ServiceAdmin):
    comes_from = _("An SDA is a customer's accelerator: a token and an SDA model.")
    list_display = ("__str__", "token_link", "model", "model_group", "shown_kind", "current")
    list_filter = (Tombstones, "reserved", "current", "model", "model_group", ByToken)
    list_select_related = ("token", "model", "model_group")
    search_fields = ("alias", "token__description")
    search_help_text = _("Alias, or customer's name")
    ordering = ("-id",)
    autocomplete_fields = ("token", "model", "model_group")
    actions = ("make_current", "delete")
    actions_detail = ("make_current", "delete")
    wire_names = {"sdamodel": "model", "maxSdaCount": "token"}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("token", "alias", "reserved", "current")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = ("token", "model", "model_group", "alias", "reserved")
        return asked if obj is None else (*asked, "current")

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        return ("token",) if _asking_token(request) else super().get_autocomplete_fields(request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only what the token may use, when the page was opened from a token's."""
        token = _asking_token(request)
        if token and db_field.name in ("model", "model_group"):
            ways = [(way.model.pk, way.group and way.group.pk) for way in access_of(token)]
            place = 0 if db_field.name == "model" else 1
            kwargs["queryset"] = db_field.remote_field.model.objects.filter(pk__in=[way[place] for way in ways])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Lead back to the token whose page this came from."""
        token = _asking_token(request)
        if token is None:
            return super().response_post_save_add(request, obj)
        return HttpResponseRedirect(reverse("admin:tokens_token_change", args=[token.pk]))

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


def _asking_token(request: HttpRequest) -> Token | None:
    """Give the token whose page led to the form for a new SDA."""
    pk = request.GET.get("token", "")
    adding = request.path == reverse("admin:sda_sda_add")
    found: Token | None = Token.objects.live().filter(pk=pk).first() if adding and pk.isdigit() else None
    return found
