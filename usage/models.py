"""Tables of usage: hours, days and months by token and by detail, and which of them are closed."""

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup
from sda.models import SdaModel
from tokens.models import Token

# The allocations from which these rows are made have the constraints, and the rows they refer to are never removed.
# Checking every row again would cost more than making it.
SUMMED: Any = {"db_index": False, "db_constraint": False, "related_name": "+"}


class HeldFigures(models.Model):
    """Device-time of a period, and how many devices were held at once at the least and at the most."""

    device_ms = models.BigIntegerField(_("device-milliseconds"))
    minimum = models.PositiveIntegerField(_("minimum"), help_text=_("Devices held at once, at the least."))
    maximum = models.PositiveIntegerField(_("maximum"), help_text=_("Devices held at once, at the most."))

    class Meta:
        abstract = True


class Usage(HeldFigures):
    """What one token held within one closed hour, day or month."""

    token = models.ForeignKey(Token, models.PROTECT, **SUMMED, verbose_name=_("token"))

    class Meta:
        abstract = True


class UsageHour(Usage):
    """What one token held within one closed hour (UTC)."""

    pk = models.CompositePrimaryKey("hour", "token_id")
    hour = models.DateTimeField(_("hour"))

    class Meta:
        verbose_name = _("hourly usage")
        verbose_name_plural = _("hourly usage")
        ordering = ("-hour", "token_id")

    def __str__(self) -> str:
        return f"{self.hour} token {self.token_id}"


class UsageDay(Usage):
    """What one token held within one closed day of the installation's time zone."""

    pk = models.CompositePrimaryKey("day", "token_id")
    day = models.DateTimeField(_("day"))

    class Meta:
        verbose_name = _("daily usage")
        verbose_name_plural = _("daily usage")
        ordering = ("-day", "token_id")

    def __str__(self) -> str:
        return f"{self.day} token {self.token_id}"


class UsageMonth(Usage):
    """What one token held within one closed month of the installation's time zone."""

    pk = models.CompositePrimaryKey("month", "token_id")
    month = models.DateTimeField(_("month"))

    class Meta:
        verbose_name = _("monthly usage")
        verbose_name_plural = _("monthly usage")
        ordering = ("-month", "token_id")

    def __str__(self) -> str:
        return f"{self.month} token {self.token_id}"


class Detail(models.Model):
    """The usage of a token in a period by SDA model, backend group and device model.

    Time that is neither preparing nor reserved is processing.
    """

    token = models.ForeignKey(Token, models.PROTECT, **SUMMED, verbose_name=_("token"))
    sda_model = models.ForeignKey(SdaModel, models.PROTECT, **SUMMED, verbose_name=_("SDA model"))
    group = models.ForeignKey(BackendGroup, models.PROTECT, **SUMMED, verbose_name=_("backend group"))
    device_model = models.CharField(_("device model"), max_length=64, blank=True)
    device_ms = models.BigIntegerField(_("device-milliseconds"))
    preparing_ms = models.BigIntegerField(_("preparing (ms)"))
    reserved_ms = models.BigIntegerField(_("reserved (ms)"))

    class Meta:
        abstract = True


KIND = ("token_id", "sda_model_id", "group_id", "device_model")


class DetailHour(Detail):
    """Detail of one closed hour (UTC)."""

    pk = models.CompositePrimaryKey("hour", *KIND)
    hour = models.DateTimeField(_("hour"))

    def __str__(self) -> str:
        return f"{self.hour} token {self.token_id} model {self.sda_model_id}"


class DetailDay(Detail):
    """Detail of one closed day of the installation's time zone."""

    pk = models.CompositePrimaryKey("day", *KIND)
    day = models.DateTimeField(_("day"))

    def __str__(self) -> str:
        return f"{self.day} token {self.token_id} model {self.sda_model_id}"


class DetailMonth(Detail):
    """Detail of one closed month of the installation's time zone."""

    pk = models.CompositePrimaryKey("month", *KIND)
    month = models.DateTimeField(_("month"))

    def __str__(self) -> str:
        return f"{self.month} token {self.token_id} model {self.sda_model_id}"


class Closed(HeldFigures):
    """A period that is rolled up, with what all tokens held together; the next one begins at its end."""

    until = models.DateTimeField(_("until"))
    closed_at = models.DateTimeField(_("closed"))

    class Meta:
        abstract = True


class ClosedHour(Closed):
    """A closed hour (UTC). The number of allocations that began and ended in it shows whether one came late."""

    hour = models.DateTimeField(_("hour"), primary_key=True)
    starts = models.PositiveIntegerField(_("allocations that began"))
    ends = models.PositiveIntegerField(_("allocations that ended"))

    class Meta:
        verbose_name = _("closed hour")
        verbose_name_plural = _("closed hours")
        ordering = ("-hour",)

    def __str__(self) -> str:
        return f"{timezone.localtime(self.hour):%Y-%m-%d %H:%M}"


class ClosedDay(Closed):
    """A closed day of the installation's time zone: 23, 24 or 25 hours."""

    day = models.DateTimeField(_("day"), primary_key=True)

    class Meta:
        verbose_name = _("closed day")
        verbose_name_plural = _("closed days")
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{timezone.localtime(self.day):%Y-%m-%d}"


class ClosedMonth(Closed):
    """A closed month of the installation's time zone."""

    month = models.DateTimeField(_("month"), primary_key=True)

    class Meta:
        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        ordering = ("-month",)

    def __str__(self) -> str:
        return f"{timezone.localtime(self.month):%Y-%m}"
