"""Budgets, prices and statements in the admin, and what it offers on closed months."""

from billing.admin import budgets, months, prices, statements

__all__ = ["budgets", "months", "prices", "statements"]
