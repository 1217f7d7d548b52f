from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alerts.choices import Level, categories

OPEN = Q(cleared_at__isnull=True)


class Alert(models.Model):
    """A notification for operators. There is one open alert per category and subject; a repetition only counts."""

    category = models.CharField(_("category"), max_length=32, choices=categories)
    level = models.CharField(_("level"), max_length=16, choices=Level)
    subject = models.CharField(_("subject"), max_length=64, help_text=_("Kind and number, like backend/12."))
    content = models.TextField(_("content"))
    times = models.PositiveIntegerField(_("times"), default=1)
    raised_at = models.DateTimeField(_("raised"))
    cleared_at = models.DateTimeField(_("cleared"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["category", "subject"], condition=OPEN, name="alert_one_open"),)

    def __str__(self) -> str:
        return f"{self.category} {self.subject}"
