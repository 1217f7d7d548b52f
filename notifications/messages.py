"""Messages about alerts: what the outbox keeps of an alert, and how it reads in the language of a channel."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from alerts.choices import Category, Change, Level, SubjectKind
from alerts.params import render
from alerts.queries import KnownAlert
from outbox.rendering import MessageKind, Payloads, Rendered, register_kind

ALERT = "alert"
MOST_SHOWN = 50  # alerts in the text of one message; programs get all
SAMPLE_SINCE = "2026-01-31T21:04:05+00:00"


def payload_of(known: KnownAlert, change: Change, rule: str, *, repeated: bool = False) -> dict[str, Any]:
    """Return what the outbox keeps of an alert, so that it reads the same whenever it leaves."""
    alert, facts = known.alert, known.facts
    return {
        "change": change.value,
        "repeated": repeated,
        "alert": alert.pk,
        "category": alert.category,
        "level": alert.level,
        "code": alert.code,
        "params": alert.params,
        "subject": str(alert.subject),
        "name": facts.title,
        "group": facts.group,
        "customer": facts.token,
        "tags": list(facts.tags),
        "raisedAt": alert.raised_at.isoformat(),
        "clearedAt": alert.cleared_at.isoformat() if alert.cleared_at else None,
        "rule": rule,
    }


def render_alerts(payloads: Payloads, _language: str) -> Rendered:
    """Return one message about some alerts, in the active language; of an alert only its last change counts."""
    alerts = list({payload["alert"]: payload for payload in payloads}.values())
    lines = [_block(alert) for alert in alerts[:MOST_SHOWN]]
    if more := len(alerts) - MOST_SHOWN:
        lines += [_("and %(number)s more") % {"number": more}] if more > 0 else []
    return Rendered(
        subject=_subject(alerts),
        text="\n\n".join([*lines, _("Rule: %(rule)s") % {"rule": alerts[0]["rule"]}]),
        data={"rule": alerts[0]["rule"], "alerts": [_card(alert) for alert in alerts]},
        type=_type(alerts),
    )


def _type(alerts: list[Mapping[str, Any]]) -> str:
    """Return what happened to the alerts of a message: `alert.changed` if it is not the same to all."""
    types = {
        "alert.resolved" if _is_over(one) else "alert.repeated" if _is_repeated(one) else "alert.raised"
        for one in alerts
    }
    return types.pop() if len(types) == 1 else "alert.changed"


def _subject(alerts: list[Mapping[str, Any]]) -> str:
    if len(alerts) == 1:
        since = f" ({_times(alerts[0])})" if _is_repeated(alerts[0]) else ""
        return f"[{_mark(alerts[0])}] {_category(alerts[0])}: {_named(alerts[0])}{since}"
    number = len(alerts)
    over = sum(_is_over(alert) for alert in alerts)
    title = ngettext("%(number)s alert", "%(number)s alerts", number) % {"number": number}
    if over:
        title += ", " + _("%(number)s of them over") % {"number": over}
    if repeated := sum(_is_repeated(alert) for alert in alerts):
        title += ", " + _("%(number)s of them still open") % {"number": repeated}
    kinds = Counter(_category(alert) for alert in alerts)
    return f"{title}: " + ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(3))


def _block(alert: Mapping[str, Any]) -> str:
    about = [_named(alert)]
    about += [_("group %(name)s") % {"name": alert["group"]}] if alert["group"] else []
    about += [_("customer %(name)s") % {"name": alert["customer"]}] if alert["customer"] else []
    return "\n".join(
        [
            f"[{_mark(alert)}] {_category(alert)} - {', '.join(about)}",
            render(alert["code"], alert["params"]),
            _times(alert),
            _url(alert),
        ]
    )


def _times(alert: Mapping[str, Any]) -> str:
    begin = _moment(alert["raisedAt"])
    if _is_over(alert) and alert["clearedAt"]:
        return _("%(begin)s to %(end)s") % {"begin": begin, "end": _moment(alert["clearedAt"])}
    return (_("still open since %(at)s") if _is_repeated(alert) else _("since %(at)s")) % {"at": begin}


def _card(alert: Mapping[str, Any]) -> dict[str, Any]:
    names = ("category", "level", "code", "subject", "name", "group", "customer", "tags", "raisedAt", "clearedAt")
    return {
        "id": alert["alert"],
        "change": alert["change"],
        "repeated": _is_repeated(alert),
        **{name: alert[name] for name in names},
        "text": render(alert["code"], alert["params"]),
        "url": _url(alert),
    }


def _is_over(alert: Mapping[str, Any]) -> bool:
    return bool(alert["change"] == Change.CLEARED)


def _is_repeated(alert: Mapping[str, Any]) -> bool:
    return bool(alert.get("repeated")) and not _is_over(alert)  # older versions have not stored it


def _mark(alert: Mapping[str, Any]) -> str:
    if _is_over(alert):
        return pgettext("of an alert", "over")
    return str(Level(alert["level"]).label) if alert["level"] in Level.values else str(alert["level"])


def _category(alert: Mapping[str, Any]) -> str:
    name = alert["category"]
    return str(Category(name).label) if name in Category.values else str(name)


def _named(alert: Mapping[str, Any]) -> str:
    kind, _slash, number = str(alert["subject"]).partition("/")
    label = str(SubjectKind(kind).label) if kind in SubjectKind.values else kind
    return f"{label} {alert['name'] or f'#{number}'}"


def _moment(text: str) -> str:
    return f"{timezone.localtime(datetime.fromisoformat(text)):%Y-%m-%d %H:%M:%S %Z}"


def _url(alert: Mapping[str, Any]) -> str:
    number = alert["alert"]
    page = reverse("admin:alerts_alert_change", args=[number]) if number else reverse("admin:alerts_alert_changelist")
    return settings.MOREH_PUBLIC_URL.rstrip("/") + page


SAMPLE: Mapping[str, Any] = {
    "change": Change.RAISED.value,
    "repeated": False,
    "alert": 12,
    "category": Category.NODE_LOST.value,
    "level": Level.CRITICAL.value,
    "code": "NODE_LOST",
    "params": {"node": "node-01"},
    "subject": "backend/1",
    "name": "node-01",
    "group": "default",
    "customer": "",
    "tags": [],
    "raisedAt": SAMPLE_SINCE,
    "clearedAt": None,
    "rule": "nodes",
}


def _sample() -> Payloads:
    """Return an alert that was raised just now; it has no number, so links lead to the list."""
    return [{**SAMPLE, "alert": 0, "raisedAt": timezone.now().isoformat()}]


register_kind(MessageKind(ALERT, gettext_lazy("alert"), render_alerts, _sample))
