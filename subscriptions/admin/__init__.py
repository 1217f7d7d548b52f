"""The admin of subscriptions."""

from subscriptions.admin import subscriptions

__all__ = ["subscriptions"]
