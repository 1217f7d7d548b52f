from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.admin import actor_of, event_table
from moreh_cloud.lib.admin import (
    RowForm,
    Secret,
    ServiceAdmin,
    Table,
    Tombstones,
    ago,
    badge,
    confirmed,
    link,
    link_to,
)
from moreh_cloud.lib.crypto import digest
from scheduler.queries import queue
from sda.queries import live_sdas
from sda.services.sdas import delete_token
from tokens.models import Token, TokenGroup
from tokens.services import (
    add_token_to_group,
    create_token,
    remove_token_from_group,
    reveal_token,
    rotate_token,
    update_token,
)

VALUE_NOTE = _("Whoever has it can use what the token may use. Deliver it on a safe way.")
LATEST = 20
SECRET_LENGTH = 43  # what new_secret makes


class TokenForm(RowForm):
    class Meta:
        model = Token
        fields = ("description", "priority", "max_sda_count", "max_duplicates", "access_level", "env", "groups")
        help_texts = {
            "env": _('Variables for its workers, like {"NCCL_DEBUG": "INFO"}; all values are texts.'),
            "groups": _("What the token may use comes from the memberships of these groups."),
            "access_level": _("What the client may see and do beyond its own jobs."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            self.fields["groups"].queryset = TokenGroup.objects.live()  # type: ignore[attr-defined]


@admin.register(Token)
class TokenAdmin(ServiceAdmin):
    form = TokenForm
    list_display = (
        "description",
        "masked",
        "shown_groups",
        "shown_sdas",
        "priority",
        "max_sda_count",
        "max_duplicates",
        "shown_level",
    )
    list_filter = (Tombstones, "groups", "access_level")
    search_fields = ("description",)
    search_help_text = _("Customer's name, or the whole value of a token")
    ordering = ("-id",)
    autocomplete_fields = ("groups",)
    wire_names = {"maxDuplicates": "max_duplicates", "maxSdaCount": "max_sda_count"}
    actions = ("delete",)
    actions_detail = ("reveal", "rotate", "delete")
    readonly_fields = ("masked",)
    fieldsets = (
        (None, {"fields": ("description", "masked", "groups")}),
        (_("Limits"), {"fields": (("priority", "access_level"), ("max_sda_count", "max_duplicates"))}),
        (_("Workers"), {"fields": ("env",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        sdas = Count("sdas", filter=Q(sdas__deleted_at__isnull=True))
        tokens: QuerySet[Token] = super().get_queryset(request).annotate(sda_count=sdas)
        return tokens.prefetch_related("groups")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if len(search_term) == SECRET_LENGTH and " " not in search_term:
            return queryset.filter(value_digest=digest(search_term)), False
        return super().get_search_results(request, queryset, search_term)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[Token, Secret]:
        token = create_token(actor=actor_of(request), **data)
        return token, Secret(_("Value of the token"), token.value, VALUE_NOTE)

    def update_row(self, request: HttpRequest, row: Token, changes: dict[str, Any]) -> None:
        actor = actor_of(request)
        groups = changes.pop("groups", None)
        if changes:
            update_token(row, actor=actor, **changes)
        if groups is None:
            return
        wished, present = set(groups), set(row.groups.all())
        for group in wished - present:
            add_token_to_group(row, group, actor=actor)
        for group in present - wished:
            remove_token_from_group(row, group, actor=actor)

    @confirmed(
        _("Show value"), says=_("The secret value is shown, and an event says that you saw it."), icon="visibility"
    )
    def reveal(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("Value of the token"), reveal_token(row, actor=actor), VALUE_NOTE)

    @confirmed(
        _("Rotate value"),
        says=_("The token gets another value. Clients with the old one are refused at once."),
        icon="cycle",
        dangerous=True,
    )
    def rotate(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("New value of the token"), rotate_token(row, actor=actor).value, VALUE_NOTE)

    @confirmed(
        _("Delete"),
        says=_("The token stops working; its history and usage stay. It must not own SDAs any more."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Token, _data: dict[str, Any]) -> None:
        delete_token(row, actor=actor)

    @admin.display(description=_("value"))
    def masked(self, row: Token) -> str:
        return row.masked

    @admin.display(description=_("user groups"))
    def shown_groups(self, row: Token) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "–"  # noqa: RUF001

    @admin.display(description=_("SDAs"), ordering="sda_count")
    def shown_sdas(self, row: Any) -> SafeString:
        return link(reverse("admin:sda_sda_changelist") + f"?token={row.pk}", row.sda_count)

    @admin.display(description=_("access level"), ordering="access_level")
    def shown_level(self, row: Token) -> SafeString:
        return badge(row.get_access_level_display(), "" if row.access_level == "USER" else "info")

    def tables(self, request: HttpRequest, row: Token) -> Iterable[Table]:
        sdas = [
            (
                link_to(sda),
                link_to(sda.model),
                sda.model.num_devices,
                badge(_("current"), "success") if sda.current else "",
                badge(_("reserved"), "info") if sda.reserved else "",
            )
            for sda in live_sdas(row)[:LATEST]
        ]
        more = reverse("admin:sda_sda_changelist") + f"?token={row.pk}"
        yield Table(_("SDAs"), (_("SDA"), _("SDA model"), _("devices"), "", ""), sdas, more)
        jobs = [
            (link_to(job, f"#{job.pk}"), job.get_status_display(), job.num_devices, ago(job.requested_at))
            for job in queue().filter(token=row)[:LATEST]
        ]
        more = reverse("admin:scheduler_job_changelist") + f"?token={row.pk}"
        yield Table(_("Live jobs"), (_("job"), _("status"), _("devices"), _("requested")), jobs, more)
        yield event_table(f"token/{row.pk}")
