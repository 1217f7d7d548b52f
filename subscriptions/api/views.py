"""The views of REST."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import TextFilter, WholeFilter
from core.api.schema import reads, writes
from core.api.times import iso
from core.api.views import success
from core.crypto import readable
from outbox.sending.targets import shown_url
from subscriptions.api import serializers as shapes
from subscriptions.models import Subscription
from subscriptions.queries import live_subscriptions
from subscriptions.services import create_subscription, delete_subscription, update_subscription


class SubscriptionFilter(filters.FilterSet):
    """The parameters of the list."""

    id = WholeFilter()
    name = TextFilter(lookup_expr="icontains")


@extend_schema(tags=["outbox"])
class SubscriptionView(OperatorView):
    """Subscriptions."""

    queryset = live_subscriptions()
    filterset_class = SubscriptionFilter

    @reads(shapes.SubscriptionSerializer)
    def list(self, _request: Request) -> Response:
        """List subscriptions."""
        return self.listed([_card(row) for row in self.page(live_subscriptions())])

    @writes(shapes.NewSubscription, shapes.NewSubscriptionSerializer)
    def create(self, _request: Request) -> Response:
        """Subscribe to events; a secret that the server made is in this answer only."""
        row, secret = create_subscription(**self.given(shapes.NewSubscription), actor=self.actor)
        return success({**_card(row), "secret": secret})

    @writes(shapes.SubscriptionChange, shapes.SubscriptionSerializer)
    def update(self, _request: Request) -> Response:
        """Change a subscription."""
        return success(_card(update_subscription(**self.given(shapes.SubscriptionChange), actor=self.actor)))

    @writes(shapes.OneSubscription)
    def destroy(self, _request: Request) -> Response:
        """Delete a subscription; what waits for it is canceled."""
        delete_subscription(**self.given(shapes.OneSubscription), actor=self.actor)
        return success()


def _card(row: Subscription) -> dict[str, Any]:
    channel = row.channel
    return {
        "id": row.pk,
        "name": row.name,
        "kinds": row.kinds,
        "channel": channel.pk,
        "url": shown_url(str(readable(channel.url, channel.pk) or "")),
        "enabled": channel.enabled,
        "failingSince": iso(channel.failing_since),
        "since": row.since_id,
    }
