"""Choices of tokens' columns and parameters."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AccessLevel(models.TextChoices):
    """What the programs of a token may see and do beyond its own jobs."""

    USER = "USER", _("user")
    ADMIN = "ADMIN", _("admin")
    DEVELOPER = "DEVELOPER", _("developer")


class BudgetKind(models.TextChoices):
    """What a budget limits: the money or the device-hours that a token may use in a month."""

    MONEY = "MONEY", _("money")
    DEVICE_HOURS = "DEVICE_HOURS", _("device-hours")


MIN_PRIORITY, MAX_PRIORITY = -99, 99
