"""Repairs of nodes: what is concerned, and every step."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backends.models import Backend, BackendGroup, Device, PowerAction
from core.json_field import JsonField, is_whole
from remediation.choices import (
    OPEN,
    RESTING,
    HandsReason,
    Origin,
    Outcome,
    RepairState,
    StepState,
    StepVerb,
    WaitReason,
)

IS_OPEN = Q(state__in=OPEN)
PENDING = Q(ended_at__isnull=True)


class Repair(models.Model):
    """The repair of a node, from quarantine to its return. A node has at most one that is open."""

    backend = models.ForeignKey(Backend, models.CASCADE, related_name="repairs", db_index=False, verbose_name=_("node"))
    state = models.CharField(_("state"), max_length=16, choices=RepairState, default=RepairState.QUARANTINED)
    since = models.DateTimeField(_("since"), help_text=_("When the state last changed."))
    waits_for = models.CharField(_("waits for"), max_length=16, choices=WaitReason, blank=True, default="")
    hands_reason = models.CharField(_("why hands"), max_length=16, choices=HandsReason, blank=True, default="")
    evidence = models.TextField(_("evidence"), blank=True, default="")
    opened_at = models.DateTimeField(_("opened"))
    opened_by = models.CharField(_("opened by"), max_length=150)
    operator = models.CharField(_("taken over by"), max_length=150, blank=True, default="")
    drain_until = models.DateTimeField(_("drained by"), null=True)
    next_at = models.DateTimeField(_("next look"), null=True, help_text=_("When the system looks at it again."))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("repair")
        verbose_name_plural = _("repairs")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["backend"], condition=IS_OPEN, name="repair_one_open"),
            models.CheckConstraint(
                condition=Q(IS_OPEN, ended_at__isnull=True) | (~IS_OPEN & Q(ended_at__isnull=False)),
                name="repair_ended_when_over",
            ),
        )
        indexes = (
            models.Index(F("backend"), F("id").desc(), name="repair_backend"),
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="repair_next"),
            models.Index(fields=["since"], condition=Q(state__in=RESTING), name="repair_resting"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"


class RepairTarget(models.Model):
    """A device that a repair is about, or without one the node as a whole."""

    repair = models.ForeignKey(Repair, models.CASCADE, related_name="targets", db_index=False)
    device = models.ForeignKey(Device, models.CASCADE, related_name="repair_targets", null=True, db_index=False)
    origin = models.CharField(_("reason"), max_length=16, choices=Origin)
    level = models.PositiveSmallIntegerField(default=0, help_text="Of the strongest remedy that was tried; 0: none.")
    validated = models.BooleanField(default=False, help_text="Its validation failed after the last remedy.")
    added_at = models.DateTimeField(_("added"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, blank=True, default="")

    class Meta:
        verbose_name = _("target of a repair")
        verbose_name_plural = _("targets of a repair")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["device"], condition=PENDING & Q(device__isnull=False), name="repairtarget_device"
            ),
            models.UniqueConstraint(
                fields=["repair"], condition=PENDING & Q(device__isnull=True), name="repairtarget_node"
            ),
        )
        indexes = (models.Index(fields=["repair", "id"], name="repairtarget_repair"),)

    def __str__(self) -> str:
        return str(self.device or _("node"))


class RepairStep(models.Model):
    """One step of a repair: a remedy or a part of a validation, on the devices with these indexes; none: the node.

    What carries it out is an order to the agent or a power action, which is created in the same transaction.
    """

    repair = models.ForeignKey(Repair, models.CASCADE, related_name="steps", db_index=False)
    number = models.PositiveIntegerField(_("number"))
    verb = models.CharField(_("step"), max_length=16, choices=StepVerb)
    state = models.CharField(_("state"), max_length=16, choices=StepState, default=StepState.RUNNING)
    dry_run = models.BooleanField(_("dry run"), default=False)
    devices = JsonField(_("devices"), fits=is_whole, default=list)
    order_id = models.UUIDField(_("order"), null=True, editable=False)
    action = models.ForeignKey(
        PowerAction, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("power action")
    )
    boot_id = models.CharField(max_length=64, blank=True, default="", help_text="Of the node when it was asked.")
    started_at = models.DateTimeField(_("started"))
    until = models.DateTimeField(_("at most until"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    code = models.CharField(_("code"), max_length=32, blank=True, default="")
    evidence = models.TextField(_("evidence"), blank=True, default="")

    class Meta:
        verbose_name = _("step of a repair")
        verbose_name_plural = _("steps of a repair")
        ordering = ("repair_id", "number")
        constraints = (
            models.UniqueConstraint(fields=["repair", "number"], name="repairstep_number"),
            models.UniqueConstraint(
                fields=["repair"], condition=Q(state=StepState.RUNNING), name="repairstep_one_running"
            ),
        )
        indexes = (models.Index(fields=["verb", "state"], name="repairstep_outcome"),)

    def __str__(self) -> str:
        return f"{self.number} {self.verb}"


class Breaker(models.Model):
    """Whether repairs of a group wait because too many of its nodes are in repair. Its row is locked to admit one."""

    group = models.OneToOneField(BackendGroup, models.CASCADE, primary_key=True, related_name="repair_breaker")
    opened_at = models.DateTimeField(_("open since"), null=True)

    class Meta:
        verbose_name = _("limit of repairs")
        verbose_name_plural = _("limits of repairs")

    def __str__(self) -> str:
        return str(self.group)
