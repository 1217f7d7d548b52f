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


def categories() -> list[tuple[str, Any]]:
    """Return the choices of a column; a function, so that a new category needs no migration."""
    return list(Category.choices)


class Level(models.TextChoices):
    """Severity of an alert."""

    NOTICE = "NOTICE", _("notice")
    WARNING = "WARNING", _("warning")
    CRITICAL = "CRITICAL", _("critical")
