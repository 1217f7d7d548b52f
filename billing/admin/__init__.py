"""Budgets, prices and statements in the admin."""

from billing.admin import budgets, prices, statements

__all__ = ["budgets", "prices", "statements"]
