from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alerts.choices import Level, categories, subject_kinds
from alerts.codes import Code
from alerts.params import render
from alerts.subjects import Subject
from core.json_field import JsonField

OPEN = Q(cleared_at__isnull=True)
IDENTITY = ("category", "subject_kind", "subject_id")


class Alert(models.Model):
    """A notification for operators. There is one open alert per category and subject; a repetition only counts."""

    category = models.CharField(_("category"), max_length=32, choices=categories)
    level = models.CharField(_("level"), max_length=16, choices=Level)
    subject_kind = models.CharField(_("subject"), max_length=32, choices=subject_kinds)
    subject_id = models.BigIntegerField(_("id of the subject"))
    code = models.CharField(_("code"), max_length=32, default=Code.LEGACY)
    params = JsonField(_("parameters"), default=dict, blank=True)
    times = models.PositiveIntegerField(_("times"), default=1)
    raised_at = models.DateTimeField(_("raised"))
    last_at = models.DateTimeField(_("cause last seen"), null=True, blank=True)
    cleared_at = models.DateTimeField(_("cleared"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)
    note = models.CharField(_("note"), max_length=512, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=IDENTITY, condition=OPEN, name="alert_one_open"),)
        indexes = (models.Index(fields=["subject_kind", "subject_id", "-id"], name="alert_subject"),)

    def __str__(self) -> str:
        return self.text

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return Subject(self.subject_kind, self.subject_id)

    @property
    def text(self) -> str:
        """Return what it says, in the active language."""
        return render(self.code, self.params)
