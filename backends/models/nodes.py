"""Nodes, devices and telemetry."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import (
    DEFAULT_GROUP,
    MAX_DEVICES,
    MAX_UNIT,
    BackendStatus,
    BackendType,
    DeviceStatus,
    ShutdownReason,
    Verdict,
)
from backends.models.groups import BackendGroup
from core.tombstone import LIVE, Tombstoned
from inventory.models import Tag


class Backend(Tombstoned):
    """A GPU node."""

    name = models.CharField(_("name"), max_length=128)
    type = models.CharField(_("type"), max_length=16, choices=BackendType, default=BackendType.UCX)
    ip = models.GenericIPAddressField(_("worker address"))
    port = models.PositiveIntegerField(
        _("worker port"), default=21545, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    description = models.CharField(_("description"), max_length=512, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=BackendStatus, default=BackendStatus.ACTIVE)
    why = models.CharField(_("reason"), max_length=16, choices=ShutdownReason, blank=True, default=ShutdownReason.NONE)
    group = models.ForeignKey(
        BackendGroup, models.PROTECT, related_name="backends", default=DEFAULT_GROUP, verbose_name=_("backend group")
    )
    key_digest = models.CharField(max_length=64, unique=True, editable=False)
    rack = models.CharField(_("rack"), max_length=64, blank=True, default="", db_default="")
    unit = models.PositiveSmallIntegerField(
        _("unit"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_UNIT)],
        help_text=_("The lowest unit of the rack that it occupies, from 1. Two nodes of a rack have different ones."),
    )
    serial = models.CharField(_("serial number"), max_length=64, blank=True, default="", db_default="")
    tags = models.ManyToManyField(Tag, related_name="backends", blank=True, verbose_name=_("tags"))

    class Meta:
        verbose_name = _("backend")
        verbose_name_plural = _("backends")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=LIVE, name="backend_name"),
            models.CheckConstraint(condition=Q(port__range=(1, 65535)), name="backend_port_range"),
            models.UniqueConstraint(fields=["rack", "unit"], condition=LIVE, name="backend_rack_unit"),
        )
        indexes = (
            models.Index(fields=["group", "status"], condition=LIVE, name="backend_group_status"),
            models.Index(fields=["serial"], condition=LIVE, name="backend_serial"),
            models.Index(fields=["why"], condition=LIVE & Q(status=BackendStatus.SHUTDOWN), name="backend_down"),
        )

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """One GPU of a backend. Allocations of the scheduler say who holds it."""

    backend = models.ForeignKey(Backend, models.PROTECT, related_name="devices", db_index=False)
    index = models.PositiveSmallIntegerField(_("index"))
    model = models.CharField(_("model"), max_length=64, blank=True)
    total_memory = models.PositiveIntegerField(_("memory (MiB)"), default=0)
    status = models.CharField(_("status"), max_length=16, choices=DeviceStatus, default=DeviceStatus.SHUTDOWN)
    why = models.CharField(_("reason"), max_length=16, choices=ShutdownReason, blank=True, default=ShutdownReason.NEW)
    drain_to = models.CharField(
        _("draining to"),
        max_length=16,
        choices=[(s.value, s.label) for s in (DeviceStatus.SHUTDOWN, DeviceStatus.BUSY)],
        blank=True,
        help_text=_("The status it takes once its job is over."),
    )
    drained = models.BooleanField(
        _("drained"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("It left, or leaves, because its node was drained, and comes back when that ends."),
    )
    verdict = models.CharField(
        _("health"), max_length=8, choices=Verdict, default=Verdict.HEALTHY, db_default=Verdict.HEALTHY.value
    )
    verdict_at = models.DateTimeField(_("health since"), null=True)
    verdict_drains = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="It drains because it has failed, or for its repair."
    )
    in_repair = models.BooleanField(
        _("in repair"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("A repair keeps it out of service until its validation has succeeded."),
    )
    checked_at = models.DateTimeField(_("last check"), null=True, help_text=_("When a health check last ended."))
    cleaner = models.UUIDField(null=True, editable=False, help_text="The order whose answer makes it clean.")
    since = models.DateTimeField(_("since"), null=True, help_text=_("When the status last changed."))
    created_at = models.DateTimeField(_("created"), null=True, editable=False)

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ("backend_id", "index")
        constraints = (
            models.UniqueConstraint(fields=["backend", "index"], name="device_backend_index"),
            models.CheckConstraint(condition=Q(index__lt=MAX_DEVICES), name="device_index_range"),
            models.CheckConstraint(
                condition=~Q(status=DeviceStatus.IDLE, verdict=Verdict.FAILED), name="device_failed_not_idle"
            ),
            models.CheckConstraint(
                condition=~Q(status=DeviceStatus.IDLE, in_repair=True), name="device_in_repair_not_idle"
            ),
        )
        indexes = (
            models.Index(
                fields=["backend"], include=["index"], condition=Q(status=DeviceStatus.IDLE), name="device_idle"
            ),
            models.Index(fields=["since"], condition=Q(status=DeviceStatus.CLEANING), name="device_cleaning"),
            models.Index(fields=["verdict"], condition=~Q(verdict=Verdict.HEALTHY), name="device_verdict"),
            models.Index(fields=["backend"], condition=Q(in_repair=True), name="device_in_repair"),
        )

    def __str__(self) -> str:
        known = type(self).backend.is_cached(self)  # a text never reads rows
        return f"{self.backend.name if known else self.backend_id}/{self.index:02}"


class FormerModel(models.Model):
    """The model of a device until its node's agent found another one at its index."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="former_models", db_index=False)
    model = models.CharField(_("model"), max_length=64)
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("former device model")
        verbose_name_plural = _("former device models")
        constraints = (models.UniqueConstraint(fields=["device", "until"], name="formermodel_once"),)

    def __str__(self) -> str:
        return f"{self.model} until {self.until}"


class Telemetry(models.Model):
    """The latest values that an agent reported for a device; NULL: it could not measure the value."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="telemetry")
    used_memory = models.PositiveIntegerField(_("used memory (MiB)"), null=True)
    temperature = models.FloatField(_("temperature (°C)"), null=True)
    memory_temperature = models.FloatField(_("memory temperature (°C)"), null=True)
    utilization = models.FloatField(_("utilization (%)"), null=True)
    memory_utilization = models.FloatField(_("memory utilization (%)"), null=True)
    power = models.FloatField(_("power (W)"), null=True)
    at = models.DateTimeField(_("reported"))
    changed_at = models.DateTimeField(
        _("changed"), null=True, help_text=_("When one of the values last differed from the one before.")
    )

    class Meta:
        verbose_name = _("telemetry")
        verbose_name_plural = _("telemetry")

    def __str__(self) -> str:
        return f"telemetry of device {self.pk}"
