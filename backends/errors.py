"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import DomainError, Forbidden


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


class NoBmc(DomainError):
    code = "CONFLICT"
    message = _("This node has no BMC. Give it the address of one first.")


class NotCancelable(DomainError):
    code = "CONFLICT"
    message = _("Only a power action that has not begun can be canceled.")


class MaintenanceIsOver(DomainError):
    code = "CONFLICT"
    message = _("This maintenance window is over or canceled.")


class MaintenanceOverlaps(DomainError):
    code = "CONFLICT"
    message = _("Another maintenance window of some of these nodes overlaps.")


class BmcAskedTooOften(DomainError):
    code = "THROTTLED"
    message = _("This BMC was asked too often in the last minute; try again later.")

    def __init__(self, retry_after: float) -> None:
        super().__init__(seconds=f"{retry_after:.1f}")
        self.retry_after = retry_after


class StaleAgent(DomainError):
    code = "CONFLICT"
    message = _("A later start or stream of this agent is known already.")


class TooManyHellos(DomainError):
    code = "TRY_AGAIN"
    message = _("Too many agents connect now, or this one connects too often; try again later.")

    def __init__(self, retry_after: float) -> None:
        super().__init__(seconds=f"{retry_after:.1f}")
        self.retry_after = retry_after


class DuplicateAgent(Forbidden):
    """An agent says hello for a node whose own agent, another installation, is alive."""

    message = _("Another agent speaks for this node.")


class PrometheusFailed(DomainError):
    code = "PROMETHEUS_ERROR"
    message = _("Prometheus does not answer.")


class HistoryUnavailable(DomainError):
    code = "BROKER_ERROR"
    message = _("The cache with the history does not answer.")
