"""The views of REST."""

from collections.abc import Iterable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from alerts.api.filters import AlertFilter
from alerts.api.serializers import AlertCommand, AlertSerializer
from alerts.models import Alert
from alerts.queries import KnownAlert, alerts_with, with_facts
from alerts.services import acknowledge_alert
from alerts.subjects import page_of
from core.api.filters import LatestFirst
from core.api.schema import reads, writes
from core.api.shapes import Card
from core.api.times import iso
from core.api.views import success
from core.clock import db_now
from notifications.queries import ActiveSilence, load_silences, silence_of


@extend_schema(tags=["alert"])
class AlertView(OperatorView):
    """Alerts."""

    queryset = Alert.objects.order_by("-pk")
    filterset_class = AlertFilter
    pagination_class = LatestFirst

    @reads(AlertSerializer)
    def list(self, _request: Request) -> Response:
        """List alerts, the newest first; texts are in the language of the request."""
        return self.listed(alert_cards(with_facts(self.page(Alert.objects.order_by("-pk")))))

    @writes(AlertCommand, AlertSerializer)
    def update(self, _request: Request) -> Response:
        """Acknowledge an alert: everybody sees who looks after it. The first one counts."""
        given = self.given(AlertCommand)
        acknowledge_alert(given["alert"], actor=self.actor, note=given["note"])
        (card,) = alert_cards(alerts_with([given["alert"].pk]))
        return success(card)


def alert_cards(alerts: Iterable[KnownAlert]) -> list[Card]:
    """Shape alerts, with the silences that hold them: four queries, one if nothing is silenced."""
    active = load_silences(db_now())
    return [_alert_card(known, silence_of(known, active)) for known in alerts]


def _alert_card(known: KnownAlert, silence: ActiveSilence | None) -> Card:
    alert, facts = known.alert, known.facts
    return {
        "id": alert.pk,
        "category": alert.category,
        "level": alert.level,
        "code": alert.code,
        "params": alert.params,
        "text": alert.text,
        "subject": {
            "kind": alert.subject_kind,
            "id": alert.subject_id,
            "name": facts.title,
            "page": page_of(alert.subject),
        },
        "group": None if facts.group_id is None else {"id": facts.group_id, "name": facts.group},
        "customer": facts.token,
        "tags": list(facts.tags),
        "times": alert.times,
        "raisedAt": iso(alert.raised_at),
        "lastAt": iso(alert.last_at),
        "clearedAt": iso(alert.cleared_at),
        "acknowledgedAt": iso(alert.acknowledged_at),
        "acknowledgedBy": alert.acknowledged_by,
        "note": alert.note,
        "silence": _silence_card(silence) if silence else None,
    }


def _silence_card(silence: ActiveSilence) -> Card:
    return {
        "id": silence.pk,
        "to": iso(silence.ends_at),
        "createdBy": silence.actor,
        "comment": silence.comment,
    }
