"""Groups of nodes and their settings."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from backends.choices import SchedulingPolicy
from core.tombstone import LIVE, Tombstoned


class BackendGroup(Tombstoned):
    """A set of backends; each backend is in exactly one. The default group has id 0 and cannot be deleted."""

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
        help_text=_("Backfill: when a job has been at the head of the queue for so long, devices are reserved for it."),
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
    power_on_nodes = models.PositiveIntegerField(
        _("power-ons at once"),
        default=0,
        help_text=_("At most so many nodes are powered on in the time below; 0: all."),
    )
    power_on_s = models.PositiveIntegerField(
        _("time of power-ons (s)"), default=0, help_text=_("The others wait for their turn; 0: nobody waits.")
    )
    one_rack = models.BooleanField(
        _("prefer one rack"),
        default=False,
        db_default=False,
        help_text=_("Among equal nodes, a job over several nodes gets those in the fewest racks. No job waits for it."),
    )
    check_command = models.CharField(
        _("health check"),
        max_length=512,
        blank=True,
        default="",
        db_default="",
        help_text=_("The command that a node's agent runs, without a shell; empty: the agent's own check."),
    )
    check_every_h = models.PositiveSmallIntegerField(
        _("check every (h)"),
        default=0,
        db_default=0,
        validators=[MaxValueValidator(24 * 365)],
        help_text=_("How often devices that are idle are checked; 0: never."),
    )
    preflight = models.BooleanField(
        _("preflight check"),
        default=False,
        db_default=False,
        help_text=_("Is the health check run on a job's devices before it starts?"),
    )
    repair_clean = models.BooleanField(
        _("clean devices"),
        default=False,
        db_default=False,
        help_text=_("Repairs may end all processes that are left on the devices concerned."),
    )
    repair_reset = models.BooleanField(
        _("reset devices"), default=False, db_default=False, help_text=_("Repairs may reset the devices concerned.")
    )
    repair_reboot = models.BooleanField(
        _("reboot nodes"),
        default=False,
        db_default=False,
        help_text=_("Repairs may drain a node and have its agent reboot it."),
    )
    repair_power_cycle = models.BooleanField(
        _("power-cycle nodes"),
        default=False,
        db_default=False,
        help_text=_("Repairs may drain a node and have its BMC switch it off and on."),
    )
    repair_dry_run = models.BooleanField(
        _("dry run"),
        default=False,
        db_default=False,
        help_text=_("Repairs only store what they would do, and then wait for a technician."),
    )
    repair_attempts = models.PositiveSmallIntegerField(
        _("attempts per node and day"),
        default=4,
        db_default=4,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("So many of these steps at most; then the node waits for a technician."),
    )
    repair_percent = models.PositiveSmallIntegerField(
        _("in repair at once (%)"),
        default=10,
        db_default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Of the nodes of the group, at least one. Others wait, with an alert."),
    )
    repair_drain_min = models.PositiveSmallIntegerField(
        _("drain for repair (min)"),
        default=60,
        db_default=60,
        validators=[MinValueValidator(1), MaxValueValidator(30_000)],
        help_text=_(
            "How long a repair waits for jobs to end. Then it waits for a technician, unless jobs may be ended."
        ),
    )
    repair_force = models.BooleanField(
        _("end jobs"),
        default=False,
        db_default=False,
        help_text=_("When that time is over, jobs on devices to be repaired are ended; they fail."),
    )

    class Meta:
        verbose_name = _("backend group")
        verbose_name_plural = _("backend groups")
        ordering = ("index", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="backendgroup_name"),)

    def __str__(self) -> str:
        return self.name
