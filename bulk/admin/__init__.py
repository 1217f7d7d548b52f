"""Bulk actions in the admin: how they begin, and the page that shows how far they are."""

from bulk.admin import begin, pages

__all__ = ["begin", "pages"]
