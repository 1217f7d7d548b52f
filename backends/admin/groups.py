"""The admin of backend groups."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.status_colours import backend_badge, power_badge
from backends.models import BackendGroup, BackendGroupFieldValue
from backends.queries import live_backends
from backends.services.groups import create_backend_group, delete_backend_group, update_backend_group
from core.admin import ConfirmForm, ServiceAdmin, Table, Tombstones, confirmed, link, link_to
from core.admin.actions import force_field
from events.actor import Actor
from events.admin import actor_of, event_table
from inventory.admin.nouns import WithCustomFields, custom_table

MOST_NODES = 50  # on the page of their group


class DeleteGroupForm(ConfirmForm):
    """The confirmation of a deletion."""

    force = force_field(
        _("Even if it is not empty"),
        _("Its nodes go to the default group. Otherwise a group with nodes is not deleted."),
    )


@admin.register(BackendGroup)
class BackendGroupAdmin(WithCustomFields, ServiceAdmin):  # type: ignore[misc]
    """Backend groups: their nodes and scheduling rules."""

    field_values = BackendGroupFieldValue
    list_display = ("name", "description", "index", "combine", "policy", "preempt", "draining", "backends_column")
    list_filter = (Tombstones, "policy", "combine", "draining")
    search_fields = ("name", "description")
    fieldsets = (
        (None, {"fields": ("name", "description", "index")}),
        (_("Scheduling"), {"fields": (("combine", "one_rack"), "policy", "guard_s", "draining")}),
        (_("Power"), {"fields": (("power_on_nodes", "power_on_s"),)}),
        (_("Preemption"), {"fields": ("preempt", ("min_run_s", "notice_s"))}),
        (_("Health checks"), {"fields": ("check_command", ("check_every_h", "preflight"))}),
        (
            _("Repairs"),
            {
                "fields": (
                    ("repair_clean", "repair_reset"),
                    ("repair_reboot", "repair_power_cycle"),
                    "repair_dry_run",
                    ("repair_attempts", "repair_percent"),
                    ("repair_drain_min", "repair_force"),
                )
            },
        ),
    )
    wire_names = {"label": "name"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackendGroup]:
        live = Count("backends", filter=Q(backends__deleted_at__isnull=True))
        groups: QuerySet[BackendGroup] = super().get_queryset(request).annotate(size=live)
        return groups

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> BackendGroup:
        return create_backend_group(actor=actor_of(request), **{"custom_fields": {}, **data})

    def update_row(self, request: HttpRequest, row: BackendGroup, changes: dict[str, Any]) -> None:
        update_backend_group(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"),
        explanation=_("The group is deleted. Its name may be used again."),
        form=DeleteGroupForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: BackendGroup, data: dict[str, Any]) -> None:
        delete_backend_group(row, actor=actor, force=data["force"])

    @admin.display(description=_("backends"), ordering="size")
    def backends_column(self, row: Any) -> SafeString:
        return link(reverse("admin:backends_backend_changelist") + f"?group__id__exact={row.pk}", row.size)

    def tables(self, request: HttpRequest, row: BackendGroup) -> Iterable[Table]:
        backends = live_backends().prefetch_related(None).filter(group=row).order_by("name")[:MOST_NODES]
        rows = [(link_to(backend), backend_badge(backend), power_badge(backend.bmc)) for backend in backends]
        more = reverse("admin:backends_backend_changelist") + f"?group__id__exact={row.pk}"
        yield custom_table(self.fields_here(request), row)
        yield Table(_("Backends"), (_("name"), _("status"), _("power")), rows, more)
        yield event_table(f"backendgroup/{row.pk}")
