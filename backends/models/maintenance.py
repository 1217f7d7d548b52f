"""Maintenance windows, and the nodes that they are for."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backends.choices import OPEN_WINDOWS, MaintenanceState
from backends.models.nodes import Backend

TAKES_PART = Q(left_at__isnull=True)
TO_RETURN = Q(left_at__isnull=False, drained__isnull=False, returned_at__isnull=True)


class MaintenanceWindow(models.Model):
    """A time in which some nodes are out of service on purpose.

    `starts_at` and `ends_at` are planned, `began_at` and `ended_at` what happened.
    """

    starts_at = models.DateTimeField(_("begins"))
    ends_at = models.DateTimeField(_("ends"))
    reason = models.CharField(_("reason"), max_length=512)
    state = models.CharField(
        _("state"), max_length=16, choices=MaintenanceState, default=MaintenanceState.SCHEDULED, editable=False
    )
    actor = models.CharField(_("created by"), max_length=150, editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)
    began_at = models.DateTimeField(_("began"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)

    class Meta:
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")
        ordering = ("-id",)
        constraints = (models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="maintenance_order"),)
        indexes = (
            models.Index(fields=["starts_at"], condition=Q(state__in=OPEN_WINDOWS), name="maintenance_open"),
            models.Index(fields=["ends_at"], name="maintenance_ends"),
        )

    def __str__(self) -> str:
        starts_at, ends_at = timezone.localtime(self.starts_at), timezone.localtime(self.ends_at)
        return f"#{self.pk} ({starts_at:%Y-%m-%d %H:%M} – {ends_at:%Y-%m-%d %H:%M})"  # noqa: RUF001


class MaintenanceNode(models.Model):
    """A node of a maintenance window.

    It takes part until `left_at`. `drained` is the mask of the devices that the window has taken out of service: NULL
    before it did. `untold`: the clients of jobs on the node have not been informed of the last change.
    """

    window = models.ForeignKey(MaintenanceWindow, models.CASCADE, related_name="nodes", db_index=False)
    backend = models.ForeignKey(Backend, models.PROTECT, related_name="maintenance", db_index=False)
    left_at = models.DateTimeField(null=True)
    drained = models.BigIntegerField(null=True)
    returned_at = models.DateTimeField(null=True)
    untold = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("node of a maintenance window")
        verbose_name_plural = _("nodes of maintenance windows")
        constraints = (models.UniqueConstraint(fields=["window", "backend"], name="maintenancenode_once"),)
        indexes = (
            models.Index(fields=["backend"], condition=TAKES_PART, name="maintenancenode_open"),
            models.Index(F("backend"), F("id").desc(), name="maintenancenode_history"),
            models.Index(fields=["id"], condition=TO_RETURN, name="maintenancenode_to_return"),
            models.Index(fields=["id"], condition=Q(untold=True), name="maintenancenode_untold"),
        )

    def __str__(self) -> str:
        return f"{self.backend_id} in window {self.window_id}"
