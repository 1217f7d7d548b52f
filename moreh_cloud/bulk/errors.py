from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict, DomainError


class SentBefore(Conflict):
    """The form was sent before; `bulk` is what it began, if it began something."""

    message = _("This form was sent before. What it asked for was done once.")

    def __init__(self, bulk: int | None) -> None:
        self.bulk = bulk
        super().__init__()


class LeaseLost(Conflict):
    """Another worker has taken it over, or it was stopped; this one may not write."""


class Over(Conflict):
    message = _("It is over already.")


class NotReady(Conflict):
    message = _("The dry run has not ended, was too long ago, or found nothing to do.")


class Unexpected(DomainError):
    message = _("Something went wrong.")
