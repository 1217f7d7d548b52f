"""Errors of the domain, each with the code that every interface returns."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Message = str | Promise


class DomainError(Exception):
    """A refusal with a wire `code`, a message for people and `details` that name the parameter."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    message: Message = _("Something went wrong.")
    retry_after: float | None = None  # seconds after which the same may go well

    def __init__(self, message: Message | None = None, **details: object) -> None:
        if message is not None:
            self.message = message
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)


class InvalidParameter(DomainError):
    """A parameter is missing or its value is not allowed."""

    code = "INVALID_PARAMETER"
    message = _("A parameter is not valid.")


class Unauthenticated(DomainError):
    """The caller presented no valid credentials."""

    code = "UNAUTHENTICATED"
    message = _("Log in first.")


class Forbidden(DomainError):
    """The caller is not allowed to do this."""

    code = "FORBIDDEN"
    message = _("Your role does not allow this.")


class NotFound(DomainError):
    """A parameter names an object that does not exist."""

    code = "NOT_FOUND"
    message = _("There is no such object.")


class Conflict(DomainError):
    """The state of an object does not allow it now."""

    code = "CONFLICT"
    message = _("Somebody else changed it first.")


class Duplicate(DomainError):
    """Another object has this name or id already."""

    code = "DUPLICATE"
    message = _("This name is taken.")


class FileRefused(DomainError):
    """A file cannot be read as a table."""

    code = "INVALID_PARAMETER"
    message = _("The file cannot be read.")
