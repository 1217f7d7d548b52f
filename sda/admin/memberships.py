"""The admin of memberships."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import (
    ServiceAdmin,
    confirmed,
    link_column,
    link_to,
)
from events.actor import Actor
from events.admin import actor_of
from sda.models import Membership
from sda.services.models import (
    create_membership,
    delete_membership,
)


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    """Memberships: which user group may use which SDA model group."""

    comes_from = _("A membership gives the tokens of a user group the models of an SDA model group.")
    list_display = ("__str__", "user_group", "sda_model_group", "backend_group")
    list_filter = ("model_group",)
    list_select_related = ("token_group", "model_group__backend_group")
    search_fields = ("token_group__name", "model_group__name")
    search_help_text = _("Name of a group")
    autocomplete_fields = ("token_group", "model_group")
    fields = ("token_group", "model_group")
    wire_names = {"childId": "model_group"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Membership:
        return create_membership(data["token_group"], data["model_group"], actor=actor_of(request))

    @confirmed(
        _("Delete"),
        explanation=_("The tokens lose the right; SDAs that they have stay until they are deleted or switched."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Membership, _data: dict[str, Any]) -> None:
        delete_membership(row, actor=actor)

    user_group = link_column("token_group", _("user group"), ordering="token_group__name")
    sda_model_group = link_column("model_group", _("SDA model group"), ordering="model_group__name")

    @admin.display(description=_("backend group"))
    def backend_group(self, row: Membership) -> SafeString | str:
        return link_to(row.model_group.backend_group)
