from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models import Token


class UsageHour(models.Model):
    """What one token held within one closed hour (UTC)."""

    hour = models.DateTimeField(_("hour"))
    token = models.ForeignKey(Token, models.PROTECT, db_index=False, verbose_name=_("token"))
    device_ms = models.BigIntegerField(_("device-milliseconds"))
    minimum = models.PositiveIntegerField(_("minimum"), help_text=_("Devices held at once, at the least."))
    maximum = models.PositiveIntegerField(_("maximum"), help_text=_("Devices held at once, at the most."))

    class Meta:
        verbose_name = _("hourly usage")
        verbose_name_plural = _("hourly usage")
        ordering = ("-hour", "token_id")
        constraints = (models.UniqueConstraint(fields=["hour", "token"], name="usagehour_once"),)
        indexes = (models.Index(fields=["token", "hour"], name="usagehour_token"),)

    def __str__(self) -> str:
        return f"{self.hour} token {self.token_id}"


class ClosedHour(models.Model):
    """An hour whose roll-up is done, with what all tokens held together; the next one to close follows the latest."""

    hour = models.DateTimeField(_("hour"), primary_key=True)
    device_ms = models.BigIntegerField(_("device-milliseconds"))
    minimum = models.PositiveIntegerField(_("minimum"), help_text=_("Devices held at once, at the least."))
    maximum = models.PositiveIntegerField(_("maximum"), help_text=_("Devices held at once, at the most."))
    closed_at = models.DateTimeField(_("closed"))

    class Meta:
        verbose_name = _("closed hour")
        verbose_name_plural = _("closed hours")
        ordering = ("-hour",)

    def __str__(self) -> str:
        return str(self.hour)
