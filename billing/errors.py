from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict


class PriceOverlap(Conflict):
    message = _("Another price of the same model is valid at that time.")


class PriceInUse(Conflict):
    message = _("An issued statement used this price. End it and set a new one.")


class MonthNotClosed(Conflict):
    message = _("The usage of this month is not complete yet.")


class StatementFrozen(Conflict):
    message = _("The statement is issued, so it never changes. Correct it instead.")


class NotIssued(Conflict):
    message = _("Only an issued statement can be corrected; a draft is made again.")


class NothingBilled(Conflict):
    message = _("Nothing was used in this month.")


class SettingsChanged(Conflict):
    message = _("The statement was issued in another currency or time zone than are set now.")


class AmountTooLarge(Conflict):
    message = _("The statement of a token would be larger than can be written. Look at its prices.")
