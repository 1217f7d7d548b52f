from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, DomainError


class SentBefore(Conflict):
    """The form was sent before; `bulk` is what it began, if it began something."""

    message = _("This form was sent before. What it asked for was done once.")

    def __init__(self, bulk: int | None) -> None:
        self.bulk = bulk
        super().__init__()


class AlreadyEnded(Conflict):
    """The bulk action has ended."""

    message = _("It is over already.")


class NotReady(Conflict):
    """The dry run cannot be carried out."""

    message = _("The dry run has not ended, was too long ago, or found nothing to do.")


class DatabaseRefused(DomainError):
    """An item of a bulk action asked for what the database refused each time, for example a lock that is held."""

    code = "DATABASE_ERROR"
    message = _("The database refused it each time it was tried, and nothing was changed.")


class UnexpectedError(DomainError):
    """An item failed with an error that nobody foresaw."""

    message = _("Something went wrong.")
