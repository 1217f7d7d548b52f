from django.db import models
from django.utils.translation import gettext_lazy as _


class StatementKind(models.TextChoices):
    STATEMENT = "STATEMENT", _("Statement")
    CORRECTION = "CORRECTION", _("Correction")


class StatementStatus(models.TextChoices):
    DRAFT = "DRAFT", _("Draft")
    ISSUED = "ISSUED", _("Issued")


# The one move, and none back; the database forbids any other change of what is issued.
EDGES = {StatementStatus.DRAFT: (StatementStatus.ISSUED,), StatementStatus.ISSUED: ()}
