from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.TextChoices):
    """Cause of an alert."""

    GPU_ERROR = "GPU_ERROR", _("GPU error")
    GPU_SHORTAGE = "GPU_SHORTAGE", _("GPU shortage")
    GPU_TEMPERATURE = "GPU_TEMPERATURE", _("GPU temperature")
    DEVICE_HEALTH = "DEVICE_HEALTH", _("device health")
    JOB_ERROR = "JOB_ERROR", _("job error")
    NODE_SILENT = "NODE_SILENT", _("node silent")
    NODE_LOST = "NODE_LOST", _("node lost")
    NODE_CLAIMED_TWICE = "NODE_CLAIMED_TWICE", _("node claimed twice")
    BMC_UNREACHABLE = "BMC_UNREACHABLE", _("BMC unreachable")
    BMC_WEAK = "BMC_WEAK", _("BMC lets strangers in")
    BMC_SENSOR = "BMC_SENSOR", _("sensor of a BMC beyond its limits")
    POWER_UNKNOWN = "POWER_UNKNOWN", _("power action of unknown outcome")
    REPAIR_EXHAUSTED = "REPAIR_EXHAUSTED", _("node needs a technician")
    REPAIR_BREAKER = "REPAIR_BREAKER", _("too many nodes in repair")
    BUDGET_NEAR = "BUDGET_NEAR", _("budget nearly spent")
    BUDGET_SPENT = "BUDGET_SPENT", _("budget spent")
    STATEMENT_FAILED = "STATEMENT_FAILED", _("statement failed")
    INCONSISTENCY = "INCONSISTENCY", _("inconsistency repaired")
    DELIVERY_FAILED = "DELIVERY_FAILED", _("delivery failed")
    NO_BEAT = "NO_BEAT", _("no beat")
    QUEUE_STALLED = "QUEUE_STALLED", _("queue not ticked")
    DISK_FULL = "DISK_FULL", _("disk nearly full")
    CERTIFICATE_EXPIRES = "CERTIFICATE_EXPIRES", _("certificate expires")
    AGENT_OLD = "AGENT_OLD", _("agent too old")
    CLOCK_SKEW = "CLOCK_SKEW", _("clock of a node is wrong")


def categories() -> list[tuple[str, Any]]:
    """Return the choices of a column; a function, so that a new category needs no migration."""
    return list(Category.choices)


class Level(models.TextChoices):
    """Severity of an alert."""

    NOTICE = "NOTICE", _("notice")
    WARNING = "WARNING", _("warning")
    CRITICAL = "CRITICAL", _("critical")


SEVERITY: Mapping[str, int] = {level: place for place, level in enumerate(Level)}  # higher is more urgent


class SubjectKind(models.TextChoices):
    """Kind of a thing that an alert is about; the values are those of events."""

    NODE = "backend", _("node")
    NODE_GROUP = "backendgroup", _("backend group")
    DEVICE = "device", _("device")
    TOKEN = "token", _("token")
    TOKEN_GROUP = "usergroup", _("user group")
    SDA = "sda", _("SDA")
    JOB = "job", _("job")
    WORKER = "worker", _("worker")
    QUEUE = "queue", _("queue")
    BUDGET = "budget", _("budget")
    CHANNEL = "channel", _("channel")
    SYSTEM = "system", _("installation")


def subject_kinds() -> list[tuple[str, Any]]:
    """Return the choices of a column; a function, so that a new kind needs no migration."""
    return list(SubjectKind.choices)


class Change(models.TextChoices):
    """What happened to an alert that others are told of; a mere repetition is no change."""

    RAISED = "RAISED", _("raised")
    ESCALATED = "ESCALATED", _("escalated")
    CLEARED = "CLEARED", _("cleared")
