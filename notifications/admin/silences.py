"""The admin of silences."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from alerts.subjects import NOTHING_KNOWN, Subject, SubjectFacts, describe, named, parse_subject
from core.admin import GrowingAdmin, Table, badge, confirmed, exact_time, fields_of
from core.clock import db_now
from core.signs import NOTHING
from events.actor import Actor
from events.admin import actor_of, event_table
from notifications.admin.forms import SilenceForm
from notifications.models import Silence
from notifications.queries import silences
from notifications.services import create_silence, end_silence, update_silence

ABOUT = "about"


def _subject(request: HttpRequest) -> Subject | None:
    """Return the one thing that the page of an alert has asked to silence."""
    return parse_subject(request.GET.get(ABOUT, ""))


class Lasting(admin.SimpleListFilter):
    """Filter silences by whether they last."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("active", _("in force")), ("pending", _("to come")), ("ended", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Silence]) -> QuerySet[Silence]:
        now = db_now()
        conditions = {
            "active": Q(starts_at__lte=now, ends_at__gt=now),
            "pending": Q(starts_at__gt=now),
            "ended": Q(ends_at__lte=now),
        }
        condition = conditions.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


@admin.register(Silence)
class SilenceAdmin(GrowingAdmin):
    """Times in which alerts are not told."""

    comes_from = _("Silence alerts while somebody works on their cause; they stay on the pages.")
    form = SilenceForm
    list_display = ("id", "shown_state", "shown_match", "begins", "ends", "comment", "actor")
    list_filter = (Lasting,)
    search_fields = ("comment", "actor")
    search_help_text = _("Comment, or who created it")
    ordering = ("-id",)
    autocomplete_fields = ("groups", "tags", "tokens")
    readonly_fields = ("shown_match", "actor", "created_at")
    wire_names = {"from": "starts_at", "to": "ends_at", "leastLevel": "least_level"}
    actions = ("end",)
    actions_detail: Any = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Silence]:
        now = Value(db_now(), DateTimeField())
        return silences().annotate(is_over=Q(ends_at__lte=now), is_to_come=Q(starts_at__gt=now))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        which = ("categories", "least_level", "groups", "tags", "tokens")
        if obj is None and (subject := _subject(request)):
            about = named(subject, describe([subject]).get(subject, NOTHING_KNOWN))
            note = _("Alerts about this only: %(about)s") % {"about": about}
            return ((None, {"fields": (("starts_at", "ends_at"), "comment"), "description": note}),)
        if obj is None:
            return ((_("Which alerts"), {"fields": which}), (None, {"fields": (("starts_at", "ends_at"), "comment")}))
        return ((None, {"fields": ("shown_match", ("starts_at", "ends_at"), "comment", ("actor", "created_at"))}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.readonly_fields, "starts_at") if obj else self.readonly_fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        return {"ends_at": db_now() + timedelta(hours=2), **initial}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        over = obj is not None and obj.ends_at <= db_now()
        return not over and super().has_change_permission(request, obj)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Silence:
        return create_silence(actor=actor_of(request), subject=_subject(request), **data)

    def update_row(self, request: HttpRequest, row: Silence, changes: dict[str, Any]) -> None:
        update_silence(row, actor=actor_of(request), **fields_of(changes, "ends_at", "comment"))

    @confirmed(
        _("End"),
        explanation=_("What it holds back and is still open is told within seconds."),
        icon="notifications_active",
    )
    def end(self, actor: Actor, row: Silence, _data: dict[str, Any]) -> None:
        end_silence(row, actor=actor)

    def tables(self, request: HttpRequest, row: Silence) -> Iterable[Table]:
        yield event_table(f"silence/{row.pk}")

    @admin.display(description=_("state"))
    def shown_state(self, row: Any) -> SafeString:
        if row.is_over:
            return badge(_("ended"))
        return badge(_("to come"), "info") if row.is_to_come else badge(_("in force"), "warning")

    @admin.display(description=_("begins"), ordering="starts_at")
    def begins(self, row: Silence) -> SafeString | str:
        return exact_time(row.starts_at)

    @admin.display(description=_("ends"), ordering="ends_at")
    def ends(self, row: Silence) -> SafeString | str:
        return exact_time(row.ends_at)

    @admin.display(description=_("which alerts"))
    def shown_match(self, row: Silence) -> str:
        labels = dict(Category.choices)
        parts = [", ".join(str(labels.get(one, one)) for one in row.categories)]
        parts += [", ".join(str(one) for one in getattr(row, name).all()) for name in ("groups", "tags", "tokens")]
        if row.subject:
            parts.append(named(row.subject, SubjectFacts(name=row.subject_name)))
        parts.append(f"{row.get_least_level_display()} +")
        return " · ".join(part for part in parts if part) or NOTHING
