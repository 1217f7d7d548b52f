"""Signals of this app, sent inside the transaction."""

from django.dispatch import Signal

mail_ordered = Signal()
"""The mail `mail_id` waits to be sent."""
