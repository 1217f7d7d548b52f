"""Billing in the admin."""

from billing.admin import budgets

__all__ = ["budgets"]
