"""Sending one message, without rows: mail by Django's backend, webhooks by HTTP to an address that was checked."""

from outbox.sending.outcome import Outcome, Outgoing
from outbox.sending.sender import Sender

__all__ = ["Outcome", "Outgoing", "Sender"]
