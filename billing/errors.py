from django.utils.translation import gettext_lazy as _

from core.errors import Conflict


class PriceOverlap(Conflict):
    """Another price of the same model holds in this time."""

    message = _("Another price of the same model is valid at that time.")


class PriceInUse(Conflict):
    """An issued statement has used the price."""

    message = _("An issued statement used this price. End it and set a new one.")


class MonthNotClosed(Conflict):
    """The month has hours that are not closed."""

    message = _("The usage of this month is not complete yet.")


class StatementFrozen(Conflict):
    """The statement is issued."""

    message = _("The statement is issued, so it never changes. Correct it instead.")


class NotIssued(Conflict):
    """The statement is not issued."""

    message = _("Only an issued statement can be corrected; a draft is made again.")


class NothingBilled(Conflict):
    """The token used nothing in this month."""

    message = _("Nothing was used in this month.")


class SettingsChanged(Conflict):
    """The currency or the time zone of the statement is not the one of the settings."""

    message = _("The statement was issued in another currency or time zone than are set now.")


class AmountTooLarge(Conflict):
    """An amount is too large to be stored."""

    message = _("The statement of a token would be larger than can be written. Look at its prices.")
