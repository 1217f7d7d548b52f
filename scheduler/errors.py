from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict, DomainError


class NotEnoughDevices(DomainError):
    code = "NOT_ENOUGH_DEVICES"
    message = _("There are not enough free devices.")


class JobNotWaiting(DomainError):
    code = "JOB_NOT_WAITING"
    message = _("The job is no longer waiting.")


class JobFinished(DomainError):
    code = "JOB_FINISHED"
    message = _("The job is over.")


class LeaseLost(Conflict):
    """Another scheduler has taken over this queue; nothing more may be written under the old epoch."""
