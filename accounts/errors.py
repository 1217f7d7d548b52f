from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, DomainError, Forbidden, NotFound, Unauthenticated


class LastMaster(Conflict):
    message = _("One active Master must remain.")


class AlreadyVerified(Conflict):
    message = _("The e-mail address is verified already.")


class LinkEnded(NotFound):
    message = _("This link has ended or was used before.")


class WrongCode(Unauthenticated):
    message = _("The code is wrong or was used before.")


class WrongPassword(Unauthenticated):
    message = _("The password is wrong.")


class LockedOut(DomainError):
    code = "THROTTLED"
    message = _("Too many wrong passwords or codes; try again later.")


class TooManyLogins(DomainError):
    code = "THROTTLED"
    message = _("Too many log-ins at once; try again in a moment.")
    retry_after = 2.0


class FactorOn(Conflict):
    message = _("Two-factor log-in is on already.")


class FactorOff(Conflict):
    message = _("Two-factor log-in is off.")


class FactorDemanded(Conflict):
    message = _("Two-factor log-in is demanded here and cannot be switched off.")


class OwnFactor(Conflict):
    message = _("Your own second factor is switched off on your own page, with a code.")


class FactorOwed(Forbidden):
    message = _("Two-factor log-in is demanded of you here. Switch it on first, on the web.")
