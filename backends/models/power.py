from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import UNDER_WAY, ActionState, PowerStatus, PowerVerb
from backends.models.nodes import Backend
from moreh_cloud.lib.crypto import EncryptedField


class Bmc(models.Model):
    """The management controller of a backend: how to reach it, what it was last seen doing, what is wished."""

    backend = models.OneToOneField(Backend, models.CASCADE, primary_key=True, related_name="bmc")
    ip = models.GenericIPAddressField(_("BMC address"))
    port = models.PositiveIntegerField(
        _("BMC port"), default=623, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = EncryptedField(_("BMC user"), blank=True, default="", editable=False)
    password = EncryptedField(_("BMC password"), blank=True, default="", editable=False)
    driver = models.CharField(_("driver"), max_length=16, default="ipmi", choices=[("ipmi", "IPMI 2.0")])
    status = models.CharField(_("power"), max_length=8, choices=PowerStatus, default=PowerStatus.UNKNOWN)
    target = models.CharField(_("wished power"), max_length=8, choices=PowerStatus, blank=True)
    checked_at = models.DateTimeField(_("checked"), null=True)
    error = models.CharField(_("error"), max_length=255, blank=True)
    commanded_at = models.DateTimeField(_("last command"), null=True)
    wrong_logins = models.JSONField(_("wrong logins"), default=list, help_text=_("Times (ms) of the last ones."))
    weak = models.BooleanField(
        _("weak"), null=True, help_text=_("It lets strangers in (cipher suite 0); unknown until it was looked at.")
    )

    class Meta:
        verbose_name = _("BMC")
        verbose_name_plural = _("BMCs")
        indexes = (models.Index(fields=["checked_at"], name="bmc_checked_at"),)

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"


class PowerAction(models.Model):
    """One thing that somebody wants a BMC to do, from wish to end. A worker holds it by a lease."""

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
    sent = models.JSONField(_("sent"), default=list, help_text=_("Commands recorded before their packets left."))
    sent_at = models.DateTimeField(_("last sent"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("power action")
        verbose_name_plural = _("power actions")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["backend"], condition=Q(state__in=UNDER_WAY), name="poweraction_one_under_way"
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNDER_WAY, ended_at__isnull=True)
                | (~Q(state__in=UNDER_WAY) & Q(ended_at__isnull=False)),
                name="poweraction_ended_when_over",
            ),
        )
        indexes = (
            models.Index(fields=["backend", "-id"], name="poweraction_backend"),
            models.Index(fields=["lease_until"], condition=Q(state__in=UNDER_WAY), name="poweraction_open"),
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
