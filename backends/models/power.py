"""BMCs and power actions."""

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import NOT_OVER, UNDER_WAY, ActionState, PowerStatus, PowerVerb
from backends.models.nodes import Backend
from backends.power.drivers import DEFAULT_DRIVER, titles
from core.crypto import EncryptedField
from core.json_field import JsonField, is_whole


def is_verb(value: object) -> bool:
    """Whether a value is a power verb."""
    return isinstance(value, str) and value in PowerVerb.values


class Bmc(models.Model):
    """The management controller of a backend: how to reach it, its last power reading, and the target of an action.

    Without an address the backend has no BMC: there are no readings and no power actions.
    """

    backend = models.OneToOneField(Backend, models.CASCADE, primary_key=True, related_name="bmc")
    ip = models.GenericIPAddressField(_("BMC address"), null=True, blank=True)
    port = models.PositiveIntegerField(
        _("BMC port"), default=623, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = EncryptedField(_("BMC user"), blank=True, default="", editable=False)
    password = EncryptedField(_("BMC password"), blank=True, default="", editable=False)
    driver = models.CharField(_("driver"), max_length=16, default=DEFAULT_DRIVER, choices=titles)
    certificate = models.TextField(_("BMC certificate"), blank=True, default="")
    status = models.CharField(_("power"), max_length=8, choices=PowerStatus, default=PowerStatus.UNKNOWN)
    target = models.CharField(_("wished power"), max_length=8, choices=PowerStatus, blank=True)
    checked_at = models.DateTimeField(_("checked"), null=True)
    error = models.CharField(_("error"), max_length=255, blank=True)
    commanded_at = models.DateTimeField(_("last command"), null=True)
    wrong_logins = JsonField(
        _("wrong logins"), fits=is_whole, default=list, help_text=_("Times (ms) of the last ones.")
    )
    weak = models.BooleanField(
        _("weak"), null=True, help_text=_("It lets strangers in; unknown until it was looked at.")
    )
    busy_until = models.DateTimeField(null=True, editable=False)  # an operation is outstanding, at most until then
    paced_until = models.DateTimeField(null=True, editable=False)  # when its allowance of requests is whole again
    monitored_at = models.DateTimeField(_("sensors and log read"), null=True)
    monitor_error = models.CharField(_("error of sensors and log"), max_length=32, blank=True)
    log_record = models.CharField(max_length=32, blank=True, editable=False)  # the entry read last, and its time
    log_time = models.BigIntegerField(null=True, editable=False)  # ms

    class Meta:
        verbose_name = _("BMC")
        verbose_name_plural = _("BMCs")
        indexes = (
            models.Index(fields=["checked_at"], name="bmc_checked_at"),
            models.Index(fields=["monitored_at"], name="bmc_monitored_at"),
        )

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}" if self.ip else str(_("no BMC"))

    @property
    def reported_off_at(self) -> datetime | None:
        """Return the time of the last power reading if it was OFF, else None."""
        return self.checked_at if self.status == PowerStatus.OFF else None


class PowerAction(models.Model):
    """One power command for a BMC, from the request to its end. A worker carries it out under a lease."""

    backend = models.ForeignKey(Backend, models.CASCADE, related_name="power_actions", db_index=False)
    command = models.CharField(_("command"), max_length=16, choices=PowerVerb)
    target = models.CharField(_("wished state"), max_length=8, choices=PowerStatus, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=ActionState, default=ActionState.QUEUED)
    code = models.CharField(_("code"), max_length=32, blank=True)
    message = models.CharField(_("message"), max_length=512, blank=True)
    actor = models.CharField(_("by"), max_length=150)
    user = EncryptedField(blank=True, default="", editable=False)
    password = EncryptedField(blank=True, default="", editable=False)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    requested_at = models.DateTimeField(_("requested"))
    sent = JsonField(_("sent"), fits=is_verb, default=list, help_text=_("Commands recorded before their packets left."))
    sent_at = models.DateTimeField(_("last sent"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    drain_until = models.DateTimeField(_("drained by"), null=True)
    drain_force = models.BooleanField(
        _("then even with jobs"), default=False, help_text=_("If it is not drained in time, its jobs are lost.")
    )
    power_on_at = models.DateTimeField(
        _("power-on at"), null=True, help_text=_("Its turn among the power-ons of its group, or when it had it.")
    )

    class Meta:
        verbose_name = _("power action")
        verbose_name_plural = _("power actions")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["backend"], condition=Q(state__in=UNDER_WAY), name="poweraction_one_under_way"
            ),
            models.UniqueConstraint(
                fields=["backend"], condition=Q(state=ActionState.DRAINING), name="poweraction_one_draining"
            ),
            models.CheckConstraint(
                condition=Q(state__in=NOT_OVER, ended_at__isnull=True)
                | (~Q(state__in=NOT_OVER) & Q(ended_at__isnull=False)),
                name="poweraction_ended_when_over",
            ),
        )
        indexes = (
            models.Index(fields=["backend", "-id"], name="poweraction_backend"),
            models.Index(fields=["lease_until"], condition=Q(state__in=UNDER_WAY), name="poweraction_open"),
            models.Index(fields=["power_on_at"], condition=Q(power_on_at__isnull=False), name="poweraction_power_on"),
        )

    def __str__(self) -> str:
        return f"{self.command} #{self.pk}"


class PowerAttempt(models.Model):
    """One attempt of a worker at a power action, and how it ended."""

    action = models.ForeignKey(PowerAction, models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField(_("attempt"))
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    code = models.CharField(_("code"), max_length=32, blank=True)
    message = models.CharField(_("message"), max_length=512, blank=True)

    class Meta:
        verbose_name = _("power attempt")
        verbose_name_plural = _("power attempts")
        ordering = ("action_id", "number")
        constraints = (models.UniqueConstraint(fields=["action", "number"], name="powerattempt_number"),)

    def __str__(self) -> str:
        return f"attempt {self.number}"
