from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class StatementKind(models.TextChoices):
    """Kind of a statement."""

    STATEMENT = "STATEMENT", _("Statement")
    CORRECTION = "CORRECTION", _("Correction")


class StatementStatus(models.TextChoices):
    """State of a statement."""

    DRAFT = "DRAFT", _("Draft")
    ISSUED = "ISSUED", _("Issued")


# The one move, and none back; the database forbids any other change of what is issued.
STATEMENT_TRANSITIONS = Transitions({StatementStatus.DRAFT: {StatementStatus.ISSUED}, StatementStatus.ISSUED: set()})
