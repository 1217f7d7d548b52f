"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import DomainError


class BudgetSpent(DomainError):
    code = "BUDGET_SPENT"
    message = _("The token has used up what it may use this month.")


class TokenHasSda(DomainError):
    code = "TOKEN_HAS_SDA"
    message = _("The token still owns SDAs.")


class TokenGroupNotEmpty(DomainError):
    code = "GROUP_NOT_EMPTY"
    message = _("The group still has tokens.")
