from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    MASTER = "MASTER", _("Master")
    GENERAL = "GENERAL", _("General")
    READ_ONLY = "READ_ONLY", _("Read-only")
