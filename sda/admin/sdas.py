"""The admin of SDAs."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import (
    ForceForm,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    by_number,
    confirmed,
    link_column,
    link_to,
)
from core.numbers import whole
from events.actor import Actor
from events.admin import actor_of, event_table
from scheduler.queries.queue import queue
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from sda.models import Sda
from sda.queries import access_of
from sda.services.sdas import set_current_sda
from tokens.queries import find_token_by_id

LATEST = 20


@admin.register(Sda)
class SdaAdmin(ServiceAdmin):
    """SDAs: their tokens and models, and what they hold."""

    comes_from = _("An SDA is a customer's accelerator: a token and an SDA model.")
    list_display = ("__str__", "token_link", "model", "model_group", "kind_column", "current")
    list_filter = (Tombstones, "reserved", "current", "model", "model_group", by_number(_("token"), "token"))
    list_select_related = ("token", "model", "model_group")
    search_fields = ("alias", "token__description")
    search_help_text = _("Alias, or customer's name")
    ordering = ("-id",)
    autocomplete_fields = ("token", "model", "model_group")
    actions = ("make_current", "delete")
    actions_detail = ("make_current", "delete")
    wire_names = {"sdamodel": "model", "maxSdaCount": "token", "desc": "alias"}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("token", "alias", "reserved", "current")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("token", "model", "model_group", "alias", "reserved")
        return fields if obj is None else (*fields, "current")

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        return ("token",) if _token_of_page(request) else super().get_autocomplete_fields(request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the models that the token may use, if the form was opened from the page of a token."""
        token = _token_of_page(request)
        if token and db_field.name in ("model", "model_group"):
            ways = [(way.model.pk, way.group and way.group.pk) for way in access_of(token)]
            index = 0 if db_field.name == "model" else 1
            kwargs["queryset"] = db_field.remote_field.model.objects.filter(pk__in=[way[index] for way in ways])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Redirect to the page of the token from which the form was opened."""
        token = _token_of_page(request)
        if token is None:
            return super().response_post_save_add(request, obj)
        return HttpResponseRedirect(reverse("admin:tokens_token_change", args=[token.pk]))

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Sda:
        options = {"alias": data["alias"], "group": data["model_group"], "reserved": data["reserved"]}
        return create_sda(data["token"], data["model"], actor=actor_of(request), **options)

    def update_row(self, request: HttpRequest, row: Sda, changes: dict[str, Any]) -> None:
        group = changes.get("model_group", None if "model" in changes else row.model_group)
        switch_model(row, changes.get("model", row.model), actor=actor_of(request), group=group)

    @confirmed(_("Make current"), explanation=_("Programs of the token that name no SDA get this one."), icon="star")
    def make_current(self, actor: Actor, row: Sda, _data: dict[str, Any]) -> bool:
        return set_current_sda(row, actor=actor)

    @confirmed(
        _("Delete"),
        explanation=_("The SDA is deleted. Devices that it had reserved become free."),
        form=ForceForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Sda, data: dict[str, Any]) -> None:
        delete_sda(row, actor=actor, force=data["force"])

    token_link = link_column("token", _("token"), ordering="token__description")

    @admin.display(description=_("kind"), ordering="reserved")
    def kind_column(self, row: Sda) -> SafeString:
        return badge(_("reserved"), "info") if row.reserved else badge(_("on demand"))

    def tables(self, request: HttpRequest, row: Sda) -> Iterable[Table]:
        held = row.allocations.filter(ended_at=None).select_related("device__backend").order_by("device_id")
        rows = [(link_to(one.device.backend), link_to(one.device, f"{one.device.index:02}")) for one in held]
        yield Table(_("Devices that it holds now"), (_("backend"), _("device")), rows)
        jobs = queue().filter(sda=row)[:LATEST]
        live = [(link_to(job, f"#{job.pk}"), job.get_status_display(), job.num_devices) for job in jobs]
        yield Table(_("Live jobs"), (_("job"), _("status"), _("devices")), live)
        yield event_table(f"sda/{row.pk}")


def _token_of_page(request: HttpRequest) -> Any:
    """Return the token from whose page the form for a new SDA was opened, if any."""
    pk = whole(request.GET.get("token"))
    adding = request.path == reverse("admin:sda_sda_add")
    return find_token_by_id(pk) if adding and pk else None
