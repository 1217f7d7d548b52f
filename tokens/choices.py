from django.db import models
from django.utils.translation import gettext_lazy as _


class AccessLevel(models.TextChoices):
    USER = "USER", _("user")
    ADMIN = "ADMIN", _("admin")
    DEVELOPER = "DEVELOPER", _("developer")


MIN_PRIORITY, MAX_PRIORITY = -99, 99
