"""The message of events: up to 100, in their order."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outbox.rendering import MessageKind, Payloads, Rendered, register_kind
from subscriptions.choices import EVENTS

SAMPLE: Mapping[str, Any] = {
    "id": 4711,
    "type": "job.start_job",
    "action": "START_JOB",
    "subject": "job/12",
    "token": 3,
    "actor": "system",
    "eventTime": "2026-11-23T01:02:03.456Z",
    "request": {},
}


def _sample() -> Payloads:
    return [{**SAMPLE, "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"}]


def _render(payloads: Payloads, _language: str) -> Rendered:
    number = len(payloads)
    subject = ngettext("%(number)s event", "%(number)s events", number) % {"number": number}
    line = _("%(at)s %(type)s %(subject)s")
    told = ({"at": one["eventTime"], "type": one["type"], "subject": one["subject"]} for one in payloads)
    return Rendered(subject, "\n".join(line % one for one in told), {"events": list(payloads)}, type=EVENTS)


register_kind(MessageKind(EVENTS, gettext_lazy("events"), _render, _sample, in_masses=True))
