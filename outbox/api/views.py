"""The views of REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import LatestFirst
from core.api.schema import reads, writes
from core.api.views import success
from outbox.api import serializers as shapes
from outbox.api.cards import attempt_card, channel_card, delivery_card
from outbox.api.filters import AttemptFilter, ChannelFilter, DeliveryFilter
from outbox.models import Channel
from outbox.queries import attempts, deliveries, live_channels, with_last_attempt
from outbox.services import create_channel, delete_channel, renew_secret, update_channel
from outbox.services.again import send_again
from outbox.services.testing import send_test


@extend_schema(tags=["outbox"])
class ChannelView(OperatorView):
    """Channels."""

    queryset = live_channels()
    filterset_class = ChannelFilter

    @reads(shapes.ChannelSerializer)
    def list(self, _request: Request) -> Response:
        """List channels."""
        return self.listed([channel_card(channel) for channel in self.page(with_last_attempt(live_channels()))])

    @writes(shapes.NewChannel, shapes.NewChannelSerializer)
    def create(self, _request: Request) -> Response:
        """Create a channel; a secret that the server made is in this answer only."""
        channel, secret = create_channel(**self.given(shapes.NewChannel), actor=self.actor)
        return success({**_card(channel), "secret": secret})

    @writes(shapes.ChannelChange, shapes.ChannelSerializer)
    def update(self, _request: Request) -> Response:
        """Change a channel; its kind stays."""
        return success(_card(update_channel(**self.given(shapes.ChannelChange), actor=self.actor)))

    @writes(shapes.ChannelRemoval)
    def destroy(self, _request: Request) -> Response:
        """Delete a channel; what waits for it is canceled. With `force` also when a rule then has none."""
        delete_channel(**self.given(shapes.ChannelRemoval), actor=self.actor)
        return success()


@extend_schema(tags=["outbox"])
class ChannelTestView(OperatorView):
    """Tests of channels."""

    queryset = live_channels()
    repeatable = False  # the answer is awaited, outside of a transaction

    @writes(shapes.OneChannel, shapes.AttemptSerializer)
    def create(self, _request: Request) -> Response:
        """Send a test message now and return what came of it, whatever that is."""
        return success(attempt_card(send_test(**self.given(shapes.OneChannel), actor=self.actor)))


@extend_schema(tags=["outbox"])
class SecretView(OperatorView):
    """Secrets of channels."""

    queryset = live_channels()
    repeatable = False

    @writes(shapes.SecretRenewal, shapes.SecretSerializer)
    def create(self, _request: Request) -> Response:
        """Replace the secret of a signed webhook; the new one is in this answer only, the old one signs for a while."""
        given = self.given(shapes.SecretRenewal)
        return success({"id": given["channel"].pk, "secret": renew_secret(**given, actor=self.actor)})


@extend_schema(tags=["outbox"])
class DeliveryView(OperatorView):
    """Deliveries."""

    queryset = deliveries()
    filterset_class = DeliveryFilter
    pagination_class = LatestFirst

    @reads(shapes.DeliverySerializer)
    def list(self, _request: Request) -> Response:
        """List what channels got and are to get, the newest first."""
        return self.listed([delivery_card(row) for row in self.page(deliveries())])

    @writes(shapes.DeliveryCommand, shapes.DeliverySerializer)
    def update(self, _request: Request) -> Response:
        """Send a delivery that has ended again: the same message, with the same id."""
        delivery = self.given(shapes.DeliveryCommand)["delivery"]
        send_again(delivery, actor=self.actor)
        return success(delivery_card(deliveries().get(pk=delivery.pk)))


@extend_schema(tags=["outbox"])
class AttemptView(OperatorView):
    """The delivery log."""

    queryset = attempts()
    filterset_class = AttemptFilter
    pagination_class = LatestFirst

    @reads(shapes.AttemptSerializer)
    def list(self, _request: Request) -> Response:
        """List attempts to send messages, the newest first."""
        return self.listed([attempt_card(row) for row in self.page(attempts())])


def _card(channel: Channel) -> dict[str, Any]:
    return channel_card(with_last_attempt(live_channels()).get(pk=channel.pk))
