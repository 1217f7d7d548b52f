"""SDA models and groups, memberships and SDAs in the admin."""

from sda.admin import imports, memberships, models, sdas

__all__ = ["imports", "memberships", "models", "sdas"]
