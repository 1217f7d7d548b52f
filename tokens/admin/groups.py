"""The admin of user groups."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import (
    ConfirmForm,
    ServiceAdmin,
    Table,
    Tombstones,
    confirmed,
    link,
    link_to,
)
from core.admin.actions import force_field
from events.actor import Actor
from events.admin import actor_of, event_table
from sda.queries import memberships
from tokens.models import TokenGroup
from tokens.services import (
    create_token_group,
    delete_token_group,
    update_token_group,
)

LATEST = 20


class DeleteTokenGroupForm(ConfirmForm):
    """The confirmation of a deletion."""

    force = force_field(
        _("Even if it is not empty"), _("Its tokens leave the group. Otherwise a group with tokens is not deleted.")
    )


@admin.register(TokenGroup)
class TokenGroupAdmin(ServiceAdmin):
    """User groups: their tokens and what their memberships allow."""

    comes_from = _("A user group gives all its tokens the same rights, by memberships.")
    list_display = ("name", "description", "index", "max_devices", "tokens_column")
    list_filter = (Tombstones,)
    search_fields = ("name", "description")
    search_help_text = _("Name or description")
    fields = ("name", "description", "index", "max_devices")
    wire_names = {"label": "name"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenGroup]:
        live = Count("tokens", filter=Q(tokens__deleted_at__isnull=True))
        groups: QuerySet[TokenGroup] = super().get_queryset(request).annotate(size=live)
        return groups.filter(deleted_at=None) if request.path.endswith("/autocomplete/") else groups

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> TokenGroup:
        return create_token_group(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: TokenGroup, changes: dict[str, Any]) -> None:
        update_token_group(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"),
        explanation=_("The group is deleted. Its tokens lose what only its memberships gave them."),
        form=DeleteTokenGroupForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: TokenGroup, data: dict[str, Any]) -> None:
        delete_token_group(row, actor=actor, force=data["force"])

    @admin.display(description=_("tokens"), ordering="size")
    def tokens_column(self, row: Any) -> SafeString:
        return link(reverse("admin:tokens_token_changelist") + f"?groups__id__exact={row.pk}", row.size)

    def tables(self, request: HttpRequest, row: TokenGroup) -> Iterable[Table]:
        tokens = [(link_to(token), token.priority) for token in row.tokens.live()[:LATEST]]
        more = reverse("admin:tokens_token_changelist") + f"?groups__id__exact={row.pk}"
        yield Table(_("Tokens"), (_("token"), _("priority")), tokens, more)
        rights = [
            (link_to(one.model_group), link_to(one.model_group.backend_group))
            for one in memberships().filter(token_group=row)[:LATEST]
        ]
        yield Table(_("May use"), (_("SDA model group"), _("backend group")), rights)
        yield event_table(f"usergroup/{row.pk}")
