"""The codes of alerts: each says of which category it is and how its parameters read. docs/alerts.md explains them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from core.errors import Message


class Code(StrEnum):
    """What exactly an alert says; a stored code keeps its name and its parameters."""

    LEGACY = "LEGACY"  # stored before there were codes: its category is in the row
    CHECK_FAILED = "CHECK_FAILED"
    DEVICES_OUT = "DEVICES_OUT"
    DEVICES_UNHEALTHY = "DEVICES_UNHEALTHY"
    DEVICES_HOT = "DEVICES_HOT"
    GROUP_DEVICES_OUT = "GROUP_DEVICES_OUT"
    GROUP_TOO_SMALL = "GROUP_TOO_SMALL"
    JOB_FAILED = "JOB_FAILED"
    JOBS_FAIL = "JOBS_FAIL"
    NODE_SILENT = "NODE_SILENT"
    NODE_LOST = "NODE_LOST"
    NODE_LOST_WITH_JOBS = "NODE_LOST_WITH_JOBS"
    NODE_CLAIMED_TWICE = "NODE_CLAIMED_TWICE"
    BMC_UNREACHABLE = "BMC_UNREACHABLE"
    BMC_WEAK = "BMC_WEAK"
    BMC_SENSORS = "BMC_SENSORS"
    BMC_MANY_SENSORS = "BMC_MANY_SENSORS"
    POWER_UNKNOWN = "POWER_UNKNOWN"
    REPAIR_EXHAUSTED = "REPAIR_EXHAUSTED"
    REPAIR_BREAKER = "REPAIR_BREAKER"
    BUDGET_NEAR = "BUDGET_NEAR"
    BUDGET_SPENT = "BUDGET_SPENT"
    BUDGET_STOPS = "BUDGET_STOPS"
    STATEMENT_FAILED = "STATEMENT_FAILED"
    REPAIRED = "REPAIRED"
    NOT_REPAIRED = "NOT_REPAIRED"
    DELIVERY_FAILED = "DELIVERY_FAILED"
    CHANNEL_CHANGED = "CHANNEL_CHANGED"
    CHANNEL_DELETED = "CHANNEL_DELETED"
    NO_BEAT = "NO_BEAT"
    QUEUE_STALLED = "QUEUE_STALLED"
    DATA_DISK_FULL = "DATA_DISK_FULL"
    DATABASE_FULL = "DATABASE_FULL"
    CERTIFICATE_EXPIRES = "CERTIFICATE_EXPIRES"
    CERTIFICATE_UNREADABLE = "CERTIFICATE_UNREADABLE"
    AGENT_OLD = "AGENT_OLD"
    CLOCK_SKEW = "CLOCK_SKEW"


class Template(NamedTuple):
    """The category of a code, and its sentence with the names of its parameters; None: that of the row."""

    category: Category | None
    text: Message


TEMPLATES: Mapping[Code, Template] = {
    Code.LEGACY: Template(None, "%(content)s"),
    Code.CHECK_FAILED: Template(Category.GPU_ERROR, _("%(node)s: health check failed: %(error)s")),
    Code.DEVICES_OUT: Template(
        Category.GPU_ERROR, _("%(node)s: devices [%(devices)s] are out of service (%(reason)s).")
    ),
    Code.DEVICES_UNHEALTHY: Template(Category.DEVICE_HEALTH, "%(node)s: %(devices)s"),
    Code.DEVICES_HOT: Template(Category.GPU_TEMPERATURE, "%(node)s: %(devices)s"),
    Code.GROUP_DEVICES_OUT: Template(
        Category.GPU_SHORTAGE,
        _(
            "%(group)s: job %(job)s has waited for %(needed)s devices for more than %(minutes)s minutes;"
            " %(out)s of %(total)s devices are out of service."
        ),
    ),
    Code.GROUP_TOO_SMALL: Template(
        Category.GPU_SHORTAGE,
        _(
            "%(group)s: job %(job)s has waited for %(needed)s devices for more than %(minutes)s minutes;"
            " the group has too few, %(total)s in all."
        ),
    ),
    Code.JOB_FAILED: Template(Category.JOB_ERROR, _("%(customer)s: job %(job)s failed: %(cause)s. %(detail)s")),
    Code.JOBS_FAIL: Template(Category.JOB_ERROR, _("%(customer)s: %(failed)s or more jobs failed within an hour.")),
    Code.NODE_SILENT: Template(Category.NODE_SILENT, _("%(node)s has not reported for more than %(seconds)s seconds.")),
    Code.NODE_LOST: Template(Category.NODE_LOST, _("%(node)s has been silent too long; it gets no jobs.")),
    Code.NODE_LOST_WITH_JOBS: Template(
        Category.NODE_LOST,
        _("%(node)s has been silent too long; it gets no jobs, and those that ran on it have failed: %(jobs)s."),
    ),
    Code.NODE_CLAIMED_TWICE: Template(
        Category.NODE_CLAIMED_TWICE,
        _("An agent at %(address)s claims node %(node)s, whose own agent is alive; it was refused."),
    ),
    Code.BMC_UNREACHABLE: Template(Category.BMC_UNREACHABLE, "BMC %(bmc)s: %(error)s"),
    Code.BMC_WEAK: Template(Category.BMC_WEAK, _("BMC %(bmc)s lets strangers in without a password (%(weakness)s).")),
    Code.BMC_SENSORS: Template(Category.BMC_SENSOR, _("Sensors beyond their limits: %(sensors)s")),
    Code.BMC_MANY_SENSORS: Template(
        Category.BMC_SENSOR, _("Sensors beyond their limits: %(sensors)s and %(more)s more")
    ),
    Code.POWER_UNKNOWN: Template(Category.POWER_UNKNOWN, _("Power action %(action)s (%(command)s): %(message)s")),
    Code.REPAIR_EXHAUSTED: Template(Category.REPAIR_EXHAUSTED, "%(node)s: %(reason)s. %(evidence)s"),
    Code.REPAIR_BREAKER: Template(Category.REPAIR_BREAKER, _("%(group)s: repairs wait for others to end.")),
    Code.BUDGET_NEAR: Template(
        Category.BUDGET_NEAR, _("%(customer)s: %(spent)s of %(limit)s %(unit)s of %(month)s are used.")
    ),
    Code.BUDGET_SPENT: Template(
        Category.BUDGET_SPENT, _("%(customer)s: %(spent)s of %(limit)s %(unit)s of %(month)s are used.")
    ),
    Code.BUDGET_STOPS: Template(
        Category.BUDGET_SPENT,
        _("%(customer)s: %(spent)s of %(limit)s %(unit)s of %(month)s are used. It starts no new job."),
    ),
    Code.STATEMENT_FAILED: Template(Category.STATEMENT_FAILED, "%(month)s: %(customer)s (%(subject)s): %(reason)s"),
    Code.REPAIRED: Template(Category.INCONSISTENCY, _("%(subject)s: %(problem)s; repaired.")),
    Code.NOT_REPAIRED: Template(Category.INCONSISTENCY, _("%(subject)s: %(problem)s; not repaired.")),
    Code.DELIVERY_FAILED: Template(
        Category.DELIVERY_FAILED, _("Messages to %(channel)s could not be delivered: %(error)s")
    ),
    Code.CHANNEL_CHANGED: Template(
        Category.DELIVERY_FAILED,
        _("The channel %(channel)s was changed. Whether it works now is seen when a message is sent."),
    ),
    Code.CHANNEL_DELETED: Template(Category.DELIVERY_FAILED, _("The channel %(channel)s was deleted.")),
    Code.NO_BEAT: Template(
        Category.NO_BEAT, _("Beat has given no sign of life for %(seconds)s s; others do its work, but more slowly.")
    ),
    Code.QUEUE_STALLED: Template(
        Category.QUEUE_STALLED, _("Jobs wait in the queue of %(group)s, which was not ticked for %(seconds)s s.")
    ),
    Code.DATA_DISK_FULL: Template(Category.DISK_FULL, _("The disk of the data folder is %(percent)s %% full.")),
    Code.DATABASE_FULL: Template(Category.DISK_FULL, _("The disk of the database is %(percent)s %% full.")),
    Code.CERTIFICATE_EXPIRES: Template(
        Category.CERTIFICATE_EXPIRES, _("The certificate in %(file)s expires on %(date)s, in %(days)s days.")
    ),
    Code.CERTIFICATE_UNREADABLE: Template(
        Category.CERTIFICATE_EXPIRES, _("The certificate in %(file)s cannot be read.")
    ),
    Code.AGENT_OLD: Template(
        Category.AGENT_OLD, _("The agent of %(node)s has version %(version)s; at least %(oldest)s is supported.")
    ),
    Code.CLOCK_SKEW: Template(
        Category.CLOCK_SKEW, _("The clock of %(node)s differs by %(seconds)s s from the server's.")
    ),
}


def category_of(code: Code) -> Category:
    """Return the category of a code. Raises ValueError for one that no alert is raised with any more."""
    category = TEMPLATES[code].category
    if category is None:
        raise ValueError(f"{code} is of no category")
    return category
