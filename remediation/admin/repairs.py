"""The list of everything in quarantine or repair, and the page of a repair with its timeline."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import GrowingAdmin, Table, by_number, confirmed, link_column, time_ago
from events.actor import Actor
from events.admin import event_table
from remediation.admin.forms import ReturnForm
from remediation.admin.tables import about, lines, reason_of, state_badge, step_table, target_table
from remediation.choices import OPEN, OVER, RESTING, RepairState
from remediation.errors import NotTakenOver, NotWaiting, RepairOver
from remediation.models import Repair
from remediation.queries import repairs
from remediation.services import operators

IS_OVER = (Q(state__in=OVER), RepairOver.message)
NOT_HIS = (~Q(state=RepairState.TAKEN_OVER), NotTakenOver.message)
NOT_AT_REST = (~Q(state__in=RESTING), NotWaiting.message)


class OpenFilter(admin.SimpleListFilter):
    """Open repairs unless the others are asked for."""

    title = _("end")
    parameter_name = "over"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", _("over")), ("all", _("all"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Repair]) -> QuerySet[Repair]:
        if self.value() == "all":
            return queryset
        return queryset.exclude(state__in=OPEN) if self.value() == "yes" else queryset.filter(state__in=OPEN)

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Open only")}
        yield from rest


@admin.register(Repair)
class RepairAdmin(GrowingAdmin):
    """Repairs: why nodes and devices are out of service, what was tried, and what operators can do."""

    comes_from = _("Nothing is in quarantine or repair. The filter shows repairs that are over.")
    list_display = (
        "id",
        "backend_link",
        "devices",
        "state_column",
        "reason",
        "evidence_column",
        "operator",
        "since_column",
        "opened",
        "ended",
    )
    list_filter = (OpenFilter, "state", "backend__group", by_number(_("backend"), "backend"))
    search_fields = ("backend__name",)
    search_help_text = _("Name of the backend")
    ordering = ("-id",)
    live_topics = "events"
    fields = (
        ("backend_link", "state_column"),
        "reason",
        "evidence_column",
        ("opened_at", "opened_by"),
        ("since", "operator"),
        ("drain_until", "next_at"),
        "ended_at",
    )
    readonly_fields = ("backend_link", "state_column", "reason", "evidence_column")
    actions = ("take_over", "validate", "hand_back", "need_hands")
    actions_detail: Any = ("take_over", "validate", "hand_back", "need_hands", "bring_back")

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Repair]:
        return repairs()

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, without the end where only open repairs are shown."""
        columns = super().get_list_display(request)
        return columns if request.GET.get(OpenFilter.parameter_name) else [name for name in columns if name != "ended"]

    @admin.display(description=_("devices"))
    def devices(self, row: Repair) -> str:
        return about(row)

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: Repair) -> SafeString:
        return state_badge(row)

    @admin.display(description=_("reason"))
    def reason(self, row: Repair) -> str:
        return reason_of(row)

    @admin.display(description=_("evidence"), ordering="evidence")
    def evidence_column(self, row: Repair) -> SafeString | str:
        return lines(row.evidence)

    @admin.display(description=_("since"), ordering="since")
    def since_column(self, row: Repair) -> SafeString | str:
        return time_ago(row.since)

    @admin.display(description=_("opened"), ordering="id")
    def opened(self, row: Repair) -> SafeString | str:
        return time_ago(row.opened_at)

    @admin.display(description=_("ended"), ordering="ended_at")
    def ended(self, row: Repair) -> SafeString | str:
        return time_ago(row.ended_at)

    @confirmed(
        _("Take over"),
        explanation=_("The system does nothing more about it. What can still be withdrawn is withdrawn."),
        icon="back_hand",
        unless=IS_OVER,
    )
    def take_over(self, actor: Actor, row: Repair, _data: dict[str, Any]) -> None:
        operators.take_over(row, actor=actor)

    @confirmed(
        _("Repaired, validate"),
        explanation=_("The health check is run. What passes comes back; what fails waits for a technician again."),
        icon="fact_check",
        unless=NOT_AT_REST,
    )
    def validate(self, actor: Actor, row: Repair, _data: dict[str, Any]) -> None:
        operators.validate(row, actor=actor)

    @confirmed(
        _("Hand back to the system"),
        explanation=_("The system repairs it again, from the mildest remedy that its group allows."),
        icon="undo",
        unless=NOT_HIS,
    )
    def hand_back(self, actor: Actor, row: Repair, _data: dict[str, Any]) -> None:
        operators.hand_back(row, actor=actor)

    @confirmed(
        _("Needs hands"),
        explanation=_("It waits for a technician, with an alert."),
        icon="handyman",
        unless=NOT_HIS,
    )
    def need_hands(self, actor: Actor, row: Repair, _data: dict[str, Any]) -> None:
        operators.need_hands(row, actor=actor)

    @confirmed(
        _("Bring back"),
        explanation=_("Its devices are cleaned and take jobs again, without a health check."),
        form=ReturnForm,
        icon="assignment_return",
        dangerous=True,
        unless=NOT_AT_REST,
    )
    def bring_back(self, actor: Actor, row: Repair, data: dict[str, Any]) -> None:
        operators.bring_back(row, reason=data["reason"], actor=actor)

    def tables(self, request: HttpRequest, row: Repair) -> Iterable[Table]:
        yield step_table(row.steps.all())
        yield target_table(row.targets.all())
        yield event_table(f"backend/{row.backend_id}")
