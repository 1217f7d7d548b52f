"""The outbox in the admin: channels, deliveries and the delivery log."""

from outbox.admin import attempts, channels, deliveries

__all__ = ["attempts", "channels", "deliveries"]
