from django.db import models
from django.utils.translation import gettext_lazy as _

from backends.models.nodes import Device


class HotDevice(models.Model):
    """A device that is, or was lately, hot: the level that is alerted, and where its last reports lead."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="+")
    level = models.PositiveSmallIntegerField(_("level"), default=0)
    towards = models.PositiveSmallIntegerField(default=0)
    reports = models.PositiveSmallIntegerField(default=0)
    reported_at = models.DateTimeField(_("reported"))

    class Meta:
        verbose_name = _("hot device")
        verbose_name_plural = _("hot devices")

    def __str__(self) -> str:
        return f"device {self.pk}"
