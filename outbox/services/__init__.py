"""Verbs of the outbox."""

from outbox.services.channels import create_channel, delete_channel, renew_secret, update_channel
from outbox.services.enqueueing import NewDelivery, cancel_deliveries, enqueue

__all__ = [
    "NewDelivery",
    "cancel_deliveries",
    "create_channel",
    "delete_channel",
    "enqueue",
    "renew_secret",
    "update_channel",
]
