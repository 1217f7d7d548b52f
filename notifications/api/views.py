"""The views of REST."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import LatestFirst
from core.api.schema import reads, writes
from core.api.views import success
from notifications import services
from notifications.api import serializers as shapes
from notifications.api.cards import rule_card, silence_card
from notifications.models import Rule, Silence
from notifications.queries import live_rules, silences


@extend_schema(tags=["alert"])
class RuleView(OperatorView):
    """Notification rules."""

    queryset = live_rules()
    filterset_class = shapes.RuleFilter

    @reads(shapes.RuleSerializer)
    def list(self, _request: Request) -> Response:
        """List notification rules."""
        return self.listed([rule_card(rule) for rule in self.page(live_rules())])

    @writes(shapes.NewRule, shapes.RuleSerializer)
    def create(self, _request: Request) -> Response:
        """Create a notification rule; it tells of what is open now, too."""
        return _rule(services.create_rule(**self.given(shapes.NewRule), actor=self.actor))

    @writes(shapes.RuleChange, shapes.RuleSerializer)
    def update(self, _request: Request) -> Response:
        """Change a notification rule; a list that is given replaces the one before."""
        return _rule(services.update_rule(**self.given(shapes.RuleChange), actor=self.actor))

    @writes(shapes.OneRule)
    def destroy(self, _request: Request) -> Response:
        """Delete a notification rule; its channels stay."""
        services.delete_rule(**self.given(shapes.OneRule), actor=self.actor)
        return success()


@extend_schema(tags=["alert"])
class SilenceView(OperatorView):
    """Silences."""

    queryset = silences()
    filterset_class = shapes.SilenceFilter
    pagination_class = LatestFirst

    @reads(shapes.SilenceSerializer)
    def list(self, _request: Request) -> Response:
        """List silences, the newest first."""
        return self.listed([silence_card(row) for row in self.page(silences())])

    @writes(shapes.NewSilence, shapes.SilenceSerializer)
    def create(self, _request: Request) -> Response:
        """Silence alerts for a time; they stay on the pages."""
        return _silence(services.create_silence(**self.given(shapes.NewSilence), actor=self.actor))

    @writes(shapes.SilenceChange, shapes.SilenceSerializer)
    def update(self, _request: Request) -> Response:
        """Change until when a silence lasts, or its comment."""
        return _silence(services.update_silence(**self.given(shapes.SilenceChange), actor=self.actor))

    @writes(shapes.OneSilence, shapes.SilenceSerializer)
    def destroy(self, _request: Request) -> Response:
        """End a silence now; what it held back and is still open is told within seconds."""
        return _silence(services.end_silence(**self.given(shapes.OneSilence), actor=self.actor))


def _rule(rule: Rule) -> Response:
    return success(rule_card(live_rules().get(pk=rule.pk)))


def _silence(silence: Silence) -> Response:
    return success(silence_card(silences().get(pk=silence.pk)))
