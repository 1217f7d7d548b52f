"""What BMCs monitor: the latest value of each sensor, and the entries of their event logs (SEL)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from backends.choices import SensorState, SensorUnit
from backends.models.nodes import Backend


class Sensor(models.Model):
    """The latest reading of a sensor of a node's BMC, and the state for which it is part of an alert."""

    backend = models.ForeignKey(Backend, models.CASCADE, related_name="sensors", db_index=False)
    name = models.CharField(_("sensor"), max_length=64)
    unit = models.CharField(_("unit of measure"), max_length=16, choices=SensorUnit, blank=True)
    value = models.FloatField(_("value"), null=True)
    state = models.CharField(_("state"), max_length=8, choices=SensorState, default=SensorState.UNKNOWN)
    lower_critical = models.FloatField(_("lower critical"), null=True)
    lower_warning = models.FloatField(_("lower warning"), null=True)
    upper_warning = models.FloatField(_("upper warning"), null=True)
    upper_critical = models.FloatField(_("upper critical"), null=True)
    read_at = models.DateTimeField(_("read"))
    alerted = models.CharField(max_length=8, choices=SensorState, default=SensorState.OK, editable=False)
    better = models.PositiveSmallIntegerField(default=0, editable=False)  # readings in a row better than `alerted`

    class Meta:
        verbose_name = _("sensor")
        verbose_name_plural = _("sensors")
        ordering = ("backend_id", "id")
        constraints = (models.UniqueConstraint(fields=["backend", "name"], name="sensor_name"),)

    def __str__(self) -> str:
        return self.name


class BmcLogEntry(models.Model):
    """An entry of a BMC's event log. It stays when the BMC's log is cleared; each is stored once."""

    backend = models.ForeignKey(Backend, models.CASCADE, related_name="log_entries", db_index=False)
    record = models.CharField(_("record"), max_length=32)
    time_ms = models.BigIntegerField(
        _("time (ms)"), default=0, help_text=_("By the clock of the BMC; 0 if that was not set.")
    )
    sensor = models.CharField(_("sensor"), max_length=64, blank=True)
    severity = models.CharField(_("severity"), max_length=8, choices=SensorState)
    message = models.CharField(_("message"), max_length=255)
    stored_at = models.DateTimeField(_("stored"))

    class Meta:
        verbose_name = _("event log entry")
        verbose_name_plural = _("event log entries")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["backend", "record", "time_ms", "sensor", "message"], name="bmclogentry_once"
            ),
        )
        indexes = (models.Index(fields=["backend", "-id"], name="bmclogentry_backend"),)

    def __str__(self) -> str:
        return f"#{self.record}"
