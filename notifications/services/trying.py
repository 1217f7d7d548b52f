"""Trying a rule: each of its channels gets a test message."""

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from events.actor import Actor
from notifications.models import Rule
from outbox.models import Attempt, Channel
from outbox.services.testing import send_test


class NoChannel(Conflict):
    """A rule without a channel reaches nobody."""

    message = _("The rule has no channel. Choose one first.")


def send_tests(rule: Rule, *, actor: Actor) -> list[tuple[Channel, Attempt]]:
    """Send a test message to each channel of a rule and return the true answers. Call it outside of a transaction.

    Raises NoChannel.
    """
    channels = list(rule.channels.filter(deleted_at__isnull=True).order_by("name", "pk"))
    if not channels:
        raise NoChannel(id=rule.pk)
    return [(channel, send_test(channel, actor=actor)) for channel in channels]
