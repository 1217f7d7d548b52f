import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from alerts.admin.filters import ByAlertSubject, StillOpen
from alerts.choices import Category, Level
from alerts.first_steps import FIRST_STEPS
from alerts.models import Alert
from alerts.queries import with_facts
from alerts.services import acknowledge_alert
from alerts.subjects import NOTHING_KNOWN, named, page_of, parse_subject
from core.admin import ConfirmForm, ServiceAdmin, Table, badge, confirmed, exact_time, link, time_ago
from core.clock import db_now
from core.texts import LONGEST
from events.actor import Actor
from notifications.admin.tables import alert_table
from notifications.queries import load_silences, silence_of

LEVEL_COLOURS = {Level.NOTICE: "info", Level.WARNING: "warning", Level.CRITICAL: "danger"}


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
    """Return alerts with the facts of their subjects, and the silences that hold them, as attributes."""
    found = with_facts(rows)
    silences = load_silences(db_now())
    for one in found:
        one.alert.facts = one.facts  # type: ignore[attr-defined]
        one.alert.silenced = silence_of(one, silences)  # type: ignore[attr-defined]
    return [one.alert for one in found]


def subject_link(row: Alert) -> SafeString | str:
    """Return the subject of an alert by its name, as a link to its page; a row without facts by its number."""
    name = named(row.subject, getattr(row, "facts", NOTHING_KNOWN))
    page = page_of(row.subject)
    return link(page, name) if page else name


def silence_badge(row: Alert) -> SafeString | str:
    """Return which silence holds an open alert, until when and by whom, as a link; "" if none does."""
    silence = getattr(row, "silenced", None)
    if silence is None:
        return ""
    told = {"silence": f"#{silence.pk}", "time": f"{localtime(silence.ends_at):%Y-%m-%d %H:%M:%S}"}
    text = _("silenced (%(silence)s) until %(time)s by %(who)s") % {**told, "who": silence.actor}
    return link(reverse("admin:notifications_silence_change", args=[silence.pk]), text)


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

    def tables(self, request: HttpRequest, row: Alert) -> Iterable[Table]:
        yield alert_table(row)

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
        new = link(f"{address}?{urlencode({'about': row.subject})}", _("Silence alerts about it"))
        return format_html("{} {}", silence_badge(row), new)

    @admin.display(description=_("cause last seen"))
    def shown_last(self, row: Alert) -> SafeString | str:
        return exact_time(row.last_at)

    @admin.display(description=_("raised"), ordering="raised_at")
    def raised(self, row: Alert) -> SafeString | str:
        return time_ago(row.raised_at)

    @admin.display(description=_("state"), ordering="cleared_at")
    def shown_state(self, row: Alert) -> SafeString:
        state = badge(_("cleared")) if row.cleared_at else badge(_("open"), "warning")
        return format_html("{} {}", state, silence_badge(row))
