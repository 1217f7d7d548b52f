"""Prices and statements in the admin."""

from billing.admin import prices, statements

__all__ = ["prices", "statements"]
