from billing.models.prices import Price
from billing.models.statements import Statement, StatementLine

__all__ = ["Price", "Statement", "StatementLine"]
