from billing.models.prices import Price

__all__ = ["Price"]
