from django.db import models
from django.utils.translation import gettext_lazy as _


class AccessLevel(models.TextChoices):
    USER = "USER", _("user")
    ADMIN = "ADMIN", _("admin")
    DEVELOPER = "DEVELOPER", _("developer")


class Spent(models.TextChoices):
    """What a token has used up when it is stopped: the money or the device-hours that it may use in a month."""

    MONEY = "MONEY", _("money")
    DEVICE_HOURS = "DEVICE_HOURS", _("device-hours")


MIN_PRIORITY, MAX_PRIORITY = -99, 99
