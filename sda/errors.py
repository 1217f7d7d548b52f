"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import DomainError


class ModelNotAllowed(DomainError):
    code = "MODEL_NOT_ALLOWED"
    message = _("The token may not use this SDA model.")


class MaxSdaReached(DomainError):
    code = "MAX_SDA_REACHED"
    message = _("The token owns as many SDAs as it may.")


class SdaInUse(DomainError):
    code = "SDA_IN_USE"
    message = _("The SDA cannot be switched while in use.")


class ModelInUse(DomainError):
    code = "MODEL_IN_USE"
    message = _("SDAs of this model exist.")


class SdaGroupInUse(DomainError):
    code = "GROUP_IN_USE"
    message = _("SDAs or memberships still refer to the group.")
