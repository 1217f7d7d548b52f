from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.TextChoices):
    GPU_ERROR = "GPU_ERROR", _("GPU error")
    GPU_SHORTAGE = "GPU_SHORTAGE", _("GPU shortage")
    GPU_TEMPERATURE = "GPU_TEMPERATURE", _("GPU temperature")
    JOB_ERROR = "JOB_ERROR", _("job error")
    NODE_LOST = "NODE_LOST", _("node lost")
    NODE_CLAIMED_TWICE = "NODE_CLAIMED_TWICE", _("node claimed twice")
    BMC_UNREACHABLE = "BMC_UNREACHABLE", _("BMC unreachable")
    BMC_WEAK = "BMC_WEAK", _("BMC lets strangers in")
    POWER_UNKNOWN = "POWER_UNKNOWN", _("power action of unknown outcome")
    BUDGET_NEAR = "BUDGET_NEAR", _("budget nearly spent")
    BUDGET_SPENT = "BUDGET_SPENT", _("budget spent")
    INCONSISTENCY = "INCONSISTENCY", _("inconsistency repaired")


class Level(models.TextChoices):
    NOTICE = "NOTICE", _("notice")
    WARNING = "WARNING", _("warning")
    CRITICAL = "CRITICAL", _("critical")
