from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """Role of an operator."""

    MASTER = "MASTER", _("Master")
    GENERAL = "GENERAL", _("General")
    READ_ONLY = "READ_ONLY", _("Read-only")


# A change from a higher to a lower rank ends what was opened with the higher one.
RANK = {Role.READ_ONLY: 0, Role.GENERAL: 1, Role.MASTER: 2}


# Of whom a second factor is demanded, by the value of MOREH_TWO_FACTOR.
DEMANDED_OF: dict[str, tuple[Role, ...]] = {"optional": (), "masters": (Role.MASTER,), "all": tuple(Role)}


class Letter(models.TextChoices):
    """Mails to operators."""

    VERIFY = "VERIFY", _("Verify the e-mail address")
    RESET = "RESET", _("Choose a new password")
