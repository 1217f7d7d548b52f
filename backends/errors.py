from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import DomainError, Forbidden


class BackendInUse(DomainError):
    code = "BACKEND_IN_USE"
    message = _("Jobs or reservations still hold devices of this backend.")


class DeviceInUse(DomainError):
    code = "DEVICE_IN_USE"
    message = _("A job or a reservation holds the device.")


class ActionUnderWay(DomainError):
    code = "ACTION_UNDER_WAY"
    message = _("Another power action is under way on this node.")


class GroupNotEmpty(DomainError):
    code = "GROUP_NOT_EMPTY"
    message = _("The group still has backends.")


class GroupInUse(DomainError):
    code = "GROUP_IN_USE"
    message = _("Something still refers to the group.")


class DefaultGroup(DomainError):
    code = "DEFAULT_GROUP"
    message = _("The default backend group cannot be deleted, and a node leaves it only for another group.")


class StaleAgent(DomainError):
    code = "CONFLICT"
    message = _("A later start or stream of this agent is known already.")


class ClaimedTwice(Forbidden):
    message = _("Another agent speaks for this node.")
