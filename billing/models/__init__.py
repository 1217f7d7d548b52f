from billing.models.budgets import Budget
from billing.models.prices import Price
from billing.models.statements import Statement, StatementLine

__all__ = ["Budget", "Price", "Statement", "StatementLine"]
