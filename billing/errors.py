from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import DomainError


class PriceOverlap(DomainError):
    code = "PRICE_OVERLAP"
    message = _("Another price of the same model is valid at that time.")


class PriceInUse(DomainError):
    code = "PRICE_IN_USE"
    message = _("An issued statement used this price. End it and set a new one.")


class MonthNotClosed(DomainError):
    code = "MONTH_NOT_CLOSED"
    message = _("The usage of this month is not complete yet.")


class StatementFrozen(DomainError):
    code = "STATEMENT_ISSUED"
    message = _("The statement is issued, so it never changes. Correct it instead.")


class NotIssued(DomainError):
    code = "STATEMENT_NOT_ISSUED"
    message = _("Only an issued statement can be corrected; a draft is made again.")


class NothingBilled(DomainError):
    code = "NOTHING_BILLED"
    message = _("Nothing was used in this month.")


class SettingsChanged(DomainError):
    code = "SETTINGS_CHANGED"
    message = _("The statement was issued in another currency or time zone than are set now.")
