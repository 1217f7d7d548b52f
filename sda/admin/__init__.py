"""SDA models and groups, memberships and SDAs in the admin."""

from sda.admin import memberships, models, sdas

__all__ = ["memberships", "models", "sdas"]
