"""Tags and definitions of custom fields in the admin; `nouns` is what the admins of the nouns inherit."""

from inventory.admin import definitions, tags

__all__ = ["definitions", "tags"]
