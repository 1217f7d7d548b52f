"""What can go wrong in the domain, each with the code that every door shows."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Message = str | Promise


class DomainError(Exception):
    """A refusal with a wire `code`, a message for people and `details` that name the parameter."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    message: Message = _("Something went wrong.")

    def __init__(self, message: Message | None = None, **details: object) -> None:
        if message is not None:
            self.message = message
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)


class InvalidParameter(DomainError):
    code = "INVALID_PARAMETER"
    message = _("A parameter is not valid.")


class Unauthenticated(DomainError):
    code = "UNAUTHENTICATED"
    message = _("Log in first.")


class Forbidden(DomainError):
    code = "FORBIDDEN"
    message = _("Your role does not allow this.")


class NotFound(DomainError):
    code = "NOT_FOUND"
    message = _("There is no such object.")


class Conflict(DomainError):
    code = "CONFLICT"
    message = _("Somebody else changed it first.")


class Duplicate(DomainError):
    code = "DUPLICATE"
    message = _("This name is taken.")
