"""Tables of what rules say of alerts: to whom, what became of it, or why it is held back."""

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import Table, badge, exact_time, link, link_to, time_ago
from core.signs import NOTHING
from notifications.choices import NoticeState
from notifications.reports import HeldBy, NoticeReport, reports_of_alert, reports_of_rule
from outbox.admin.formatting import state_badge
from outbox.choices import UNDER_WAY
from outbox.status import next_attempt

LATEST = 20  # notices on the page of a rule
MOST = 50  # rules on the page of an alert


def rule_table(rule: Any) -> Table:
    """Return the latest alerts that a rule told of or holds back."""
    rows = [
        (
            link(reverse("admin:alerts_alert_change", args=[one.notice.alert_id]), one.notice.alert.text),
            _states(one),
            time_ago(one.notice.notified_at),
            exact_time(one.notice.next_at),
        )
        for one in reports_of_rule(rule, LATEST)
    ]
    headers = (gettext_lazy("alert"), gettext_lazy("state"), gettext_lazy("told"), gettext_lazy("again"))
    more = reverse("admin:outbox_delivery_changelist")
    return Table(gettext_lazy("Alerts it told of or holds back"), headers, rows, more)


def alert_table(alert: Any) -> Table:
    """Return who was told of an alert: rule, channel, what, state, time; also what is held back, and why."""
    rows = [row for one in reports_of_alert(alert, MOST) for row in _rows(one)]
    headers = (
        *(gettext_lazy("rule"), gettext_lazy("channel"), gettext_lazy("what"), gettext_lazy("state")),
        gettext_lazy("time"),
    )
    more = reverse("admin:outbox_delivery_changelist") + f"?q=alert/{alert.pk}"
    note = "" if rows else gettext_lazy("No rule means it.")
    return Table(gettext_lazy("Notifications"), headers, rows, more, note=note)


def _rows(one: NoticeReport) -> Iterator[tuple[object, ...]]:
    rule = link_to(one.notice.rule)
    for row in one.deliveries:
        yield rule, link_to(row.channel), _what(row), _state(one, row), _when(row)
    if not one.deliveries or one.notice.state == NoticeState.HELD:
        channels = ", ".join(channel.name for channel in one.channels) or NOTHING
        yield rule, channels, NOTHING, _state_of_notice(one), exact_time(one.notice.notified_at)


def _states(one: NoticeReport) -> SafeString:
    """Return what became of a notice, for each channel if there are several, and why it is held back if it is."""
    named = len(one.deliveries) > 1
    states = [(f"{row.channel}: " if named else "", _state(one, row)) for row in one.deliveries]
    if not states or one.notice.state == NoticeState.HELD:
        states.append(("", _state_of_notice(one)))
    return format_html_join("", "<div>{}{}</div>", states)


def _state_of_notice(one: NoticeReport) -> SafeString:
    match one.notice.state:
        case NoticeState.HELD:
            return format_html("{} {}", badge(one.notice.get_state_display(), "info"), _why(one))
        case NoticeState.DROPPED:
            return badge(one.notice.get_state_display())
    return badge(_("no longer in the log"))


def _state(one: NoticeReport, row: Any) -> SafeString:
    """Return what became of a delivery; one of another rule names it."""
    at = exact_time(next_attempt(row)) if row.state in UNDER_WAY and next_attempt(row) else ""
    by = "" if row.group_key == f"rule/{one.notice.rule_id}" else _("by rule %(rule)s") % {"rule": _rule_of(row)}
    return format_html("{} {} {}", state_badge(row, one.now), at, by)


def _why(one: NoticeReport) -> SafeString | str:
    rule = one.notice.rule
    if rule.deleted_at or not rule.enabled:
        return _("the rule is switched off")
    if not one.channels:
        return _("the rule has no channel")
    if one.notice.alert.acknowledged_at:
        return _("the alert is acknowledged")
    reasons = list(_reasons(one.held)) if one.held else []
    return format_html_join(", ", "{}", ((reason,) for reason in reasons)) or _("it is told within seconds")


def _reasons(held: HeldBy) -> Iterator[SafeString]:
    if silence := held.silence:
        number = link(reverse("admin:notifications_silence_change", args=[silence.pk]), f"#{silence.pk}")
        yield format_html(_("silence {number} until {time}"), number=number, time=exact_time(silence.ends_at))
    if held.outside:
        yield format_html(_("outside of the hours of the rule until {time}"), time=exact_time(held.begins_at))


def _what(row: Any) -> str:
    if row.payload.get("change") == "CLEARED":
        return _("cleared")
    return _("still open") if row.payload.get("repeated") else _("raised")


def _when(row: Any) -> SafeString | str:
    return exact_time(row.ended_at or row.created_at)


def _rule_of(row: Any) -> str:
    return str(row.payload.get("rule", NOTHING))
