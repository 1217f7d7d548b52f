"""Sending one message, without rows: mail by Django's backend, webhooks by HTTP to an address that was checked."""

from outbox.sending.outcome import Outgoing, SendOutcome
from outbox.sending.sender import Sender

__all__ = ["Outgoing", "SendOutcome", "Sender"]
