from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import DomainError


class PriceOverlap(DomainError):
    code = "PRICE_OVERLAP"
    message = _("Another price of the same model is valid at that time.")


class PriceInUse(DomainError):
    code = "PRICE_IN_USE"
    message = _("An issued statement used this price. End it and set a new one.")
