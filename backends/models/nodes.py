from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import DEFAULT_GROUP, BackendStatus, BackendType, DeviceStatus, SchedulingPolicy, Why
from moreh_cloud.lib.tombstone import LIVE, Tombstoned

MAX_DEVICES = 32  # a node's devices fit one bit mask with room to spare


class BackendGroup(Tombstoned):
    """A set of backends; each backend is in exactly one. Id 0 is there from the start and stays."""

    name = models.CharField(_("name"), max_length=128)
    description = models.CharField(_("description"), max_length=512, blank=True)
    index = models.IntegerField(_("index"), default=0, help_text=_("Place in lists; lower comes first."))
    combine = models.BooleanField(
        _("combine"), default=True, help_text=_("May one job span several backends of this group?")
    )
    policy = models.CharField(
        _("scheduling policy"), max_length=16, choices=SchedulingPolicy, default=SchedulingPolicy.STRICT
    )
    guard_s = models.PositiveIntegerField(
        _("guard time (s)"),
        default=3600,
        help_text=_("Backfill: when the head of the queue has waited longer, nobody passes it any more."),
    )
    preempt = models.BooleanField(
        _("preemption"), default=False, help_text=_("May jobs of higher priority take devices from lower ones?")
    )
    min_run_s = models.PositiveIntegerField(
        _("minimum run time (s)"), default=600, help_text=_("Nothing is taken from a job that has run for less.")
    )
    notice_s = models.PositiveIntegerField(
        _("notice (s)"), default=60, help_text=_("How long before its devices are taken a job is told.")
    )
    draining = models.BooleanField(
        _("draining"), default=False, help_text=_("Running jobs go on, and nothing new starts.")
    )

    class Meta:
        verbose_name = _("backend group")
        verbose_name_plural = _("backend groups")
        ordering = ("index", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="backendgroup_name"),)

    def __str__(self) -> str:
        return self.name


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
    why = models.CharField(_("reason"), max_length=16, choices=Why, blank=True, default=Why.NONE)
    group = models.ForeignKey(
        BackendGroup, models.PROTECT, related_name="backends", default=DEFAULT_GROUP, verbose_name=_("backend group")
    )
    key_digest = models.CharField(max_length=64, unique=True, editable=False)

    class Meta:
        verbose_name = _("backend")
        verbose_name_plural = _("backends")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=LIVE, name="backend_name"),
            models.CheckConstraint(condition=Q(port__range=(1, 65535)), name="backend_port_range"),
        )
        indexes = (models.Index(fields=["group", "status"], condition=LIVE, name="backend_group_status"),)

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """One GPU of a backend. Who holds it is written down elsewhere (an allocation)."""

    backend = models.ForeignKey(Backend, models.PROTECT, related_name="devices", db_index=False)
    index = models.PositiveSmallIntegerField(_("index"))
    model = models.CharField(_("model"), max_length=64, blank=True)
    total_memory = models.PositiveIntegerField(_("memory (MiB)"), default=0)
    status = models.CharField(_("status"), max_length=16, choices=DeviceStatus, default=DeviceStatus.SHUTDOWN)
    why = models.CharField(_("reason"), max_length=16, choices=Why, blank=True, default=Why.NEW)
    drain_to = models.CharField(
        _("draining to"),
        max_length=16,
        choices=[(s.value, s.label) for s in (DeviceStatus.SHUTDOWN, DeviceStatus.BUSY)],
        blank=True,
        help_text=_("The status it takes once its job is over."),
    )
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
        )
        indexes = (
            models.Index(
                fields=["backend"], include=["index"], condition=Q(status=DeviceStatus.IDLE), name="device_idle"
            ),
            models.Index(fields=["since"], condition=Q(status=DeviceStatus.CLEANING), name="device_cleaning"),
        )

    def __str__(self) -> str:
        return f"{self.backend_id}/{self.index:02}"


class FormerModel(models.Model):
    """What a device was until its node's agent found another in its place."""

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
    """The latest values that an agent reported for a device; older ones belong to Prometheus."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="telemetry")
    used_memory = models.PositiveIntegerField(_("used memory (MiB)"), default=0)
    temperature = models.FloatField(_("temperature (°C)"), default=0)
    memory_temperature = models.FloatField(_("memory temperature (°C)"), default=0)
    utilization = models.FloatField(_("utilization (%)"), default=0)
    memory_utilization = models.FloatField(_("memory utilization (%)"), default=0)
    power = models.FloatField(_("power (W)"), default=0)
    at = models.DateTimeField(_("reported"))

    class Meta:
        verbose_name = _("telemetry")
        verbose_name_plural = _("telemetry")

    def __str__(self) -> str:
        return f"telemetry of device {self.pk}"
