import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from alerts.choices import Category, Level
from alerts.first_steps import FIRST_STEPS
from alerts.models import OPEN, Alert
from alerts.queries import with_facts
from alerts.services import acknowledge_alert
from alerts.subjects import NOTHING_KNOWN, named, page_of, parse_subject
from core.admin import ConfirmForm, ServiceAdmin, badge, confirmed, exact_time, link, time_ago
from core.admin.filters import ExactText
from core.texts import LONGEST
from events.actor import Actor

LEVEL_COLOURS = {Level.NOTICE: "info", Level.WARNING: "warning", Level.CRITICAL: "danger"}


class StillOpen(admin.SimpleListFilter):
    """Filter alerts by state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("open")), ("unseen", _("open, not acknowledged")), ("cleared", _("cleared"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        match self.value():
            case "open":
                return queryset.filter(OPEN)
            case "unseen":
                return queryset.filter(OPEN, acknowledged_at__isnull=True)
            case "cleared":
                return queryset.exclude(OPEN)
        return queryset


class ByAlertSubject(ExactText):
    """Filter by what the alert is about."""

    title = _("subject, like backend/12")
    parameter_name = "subject"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (text := (self.value() or "").strip()):
            return queryset
        subject = parse_subject(text)
        if subject is None:
            return queryset.none()
        return queryset.filter(subject_kind=subject.kind, subject_id=subject.id)


class NoteForm(ConfirmForm):
    """A note for everybody who sees the alert."""

    note = forms.CharField(
        label=_("note"),
        max_length=LONGEST,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What you found or do about it, for everybody who sees the alert."),
    )


class AlertList(ChangeList):
    """A page of alerts with the names of their subjects: one query more for each kind."""

    def get_results(self, request: HttpRequest) -> None:
        """Read what the rows of the page show."""
        super().get_results(request)
        self.result_list = _described(self.result_list)


def _described(rows: Any) -> list[Any]:
    """Return alerts with the facts of their subjects as an attribute."""
    found = with_facts(rows)
    for one in found:
        one.alert.facts = one.facts  # type: ignore[attr-defined]
    return [one.alert for one in found]


def subject_link(row: Alert) -> SafeString | str:
    """Return the subject of an alert by its name, as a link to its page; a row without facts by its number."""
    name = named(row.subject, getattr(row, "facts", NOTHING_KNOWN))
    page = page_of(row.subject)
    return link(page, name) if page else name


@admin.register(Alert)
class AlertAdmin(ServiceAdmin):
    """The list of alerts."""

    comes_from = _("What an operator must look at comes here by itself.")
    list_display = (
        "shown_level",
        "category",
        "shown_subject",
        "content",
        "times",
        "raised",
        "shown_state",
        "acknowledged_by",
    )
    list_filter = (StillOpen, "level", "category", "subject_kind", ByAlertSubject)
    page_of_rows = AlertList
    search_fields = ("params",)
    search_help_text = _("A thing like backend/12, or a part of what an alert names")
    date_hierarchy = "raised_at"
    actions = ("acknowledge",)
    actions_detail = ("acknowledge",)
    export_columns = {
        "subject": lambda alert: str(alert.subject),
        "shown_subject": None,
        "content": lambda alert: alert.text,
        "note": "note",
        "code": "code",
        "params": "params",
    }
    fieldsets = (
        (_("What"), {"fields": (("category", "level"), "shown_subject", "content", "first_steps", "silence")}),
        (_("When"), {"fields": (("raised_at", "cleared_at"), ("shown_last", "times"))}),
        (_("Who looks after it"), {"fields": (("acknowledged_at", "acknowledged_by"), "note")}),
    )
    readonly_fields = ("shown_subject", "content", "first_steps", "silence", "shown_last")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search the parameters; a text like backend/12 is a subject."""
        if not (text := search_term.strip()):
            return queryset, False
        subject = parse_subject(text)
        about = Q(subject_kind=subject.kind, subject_id=subject.id) if subject else Q()
        if about or "\0" in text:
            return queryset.filter(about) if about else queryset.none(), False
        written = queryset.alias(written=Cast("params", TextField()))
        escaped = json.dumps(text)[1:-1]  # as SQLite stores what is not ASCII
        return written.filter(Q(written__icontains=text) | Q(written__icontains=escaped)), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        return _described([row])[0] if row else row

    @confirmed(
        _("Acknowledge"),
        explanation=_("Everybody sees that you look after it. It stays open until its cause is gone."),
        form=NoteForm,
    )
    def acknowledge(self, actor: Actor, row: Alert, data: dict[str, Any]) -> bool:
        return acknowledge_alert(row, actor=actor, note=data.get("note", ""))

    @admin.display(description=_("level"), ordering="level")
    def shown_level(self, row: Alert) -> SafeString:
        return badge(row.get_level_display(), LEVEL_COLOURS[Level(row.level)])

    @admin.display(description=_("subject"), ordering="subject_id")
    def shown_subject(self, row: Alert) -> SafeString | str:
        return subject_link(row)

    @admin.display(description=_("content"))
    def content(self, row: Alert) -> str:
        return row.text

    @admin.display(description=_("first steps"))
    def first_steps(self, row: Alert) -> str:
        return str(FIRST_STEPS.get(Category(row.category), ""))

    @admin.display(description=_("notifications"))
    def silence(self, row: Alert) -> SafeString:
        address = reverse("admin:notifications_silence_add")
        return link(f"{address}?{urlencode({'about': row.subject})}", _("Silence alerts about it"))

    @admin.display(description=_("cause last seen"))
    def shown_last(self, row: Alert) -> SafeString | str:
        return exact_time(row.last_at)

    @admin.display(description=_("raised"), ordering="raised_at")
    def raised(self, row: Alert) -> SafeString | str:
        return time_ago(row.raised_at)

    @admin.display(description=_("state"), ordering="cleared_at")
    def shown_state(self, row: Alert) -> SafeString:
        return badge(_("cleared")) if row.cleared_at else badge(_("open"), "warning")
