"""Errors of the scheduler: each has a code that is stable on the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import DomainError


class NotEnoughDevices(DomainError):
    """Fewer devices are free than a reserved SDA needs."""

    code = "NOT_ENOUGH_DEVICES"
    message = _("There are not enough free devices.")


class OverLimit(DomainError):
    """A reservation would exceed the limit of its token or of one of its token groups."""

    code = "OVER_LIMIT"
    message = _("The token, or one of its user groups, would hold more devices than it may.")


class GroupDraining(DomainError):
    """The backend group accepts no new reservation because it is draining."""

    code = "GROUP_DRAINING"
    message = _("The backend group is draining: nothing new starts in it.")


class JobNotWaiting(DomainError):
    """The priority of a job can be changed only while it waits."""

    code = "JOB_NOT_WAITING"
    message = _("The job is no longer waiting.")


class TooManyJobs(DomainError):
    """The token already has MOREH_WAITING_JOBS waiting jobs."""

    code = "TOO_MANY_JOBS"
    message = _("The token has as many waiting jobs as it may have; try again when one of them has started.")


class JobFinished(DomainError):
    """A job that is over cannot be canceled."""

    code = "JOB_FINISHED"
    message = _("The job is over.")
