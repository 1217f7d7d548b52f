"""Tables of the scheduler: queues, jobs, allocations, workers."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backends.models import Backend, BackendGroup, Device
from core.json_field import JsonField, is_whole
from scheduler.choices import HOLDING, LIVE, OVER, Cause, JobStatus, WorkerState
from scheduler.policy.decisions import pending_reasons
from sda.models import Sda, SdaModel
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY
from tokens.models import Token

WAITING = Q(status=JobStatus.WAITING)
UNCLEAN = Q(ended_at__isnull=False, clean_at__isnull=True)
# Copied from rows that are locked or never removed, so no constraint checks them: that would slow the end of each job.
NOTED: Any = {"null": True, "related_name": "+", "db_index": False, "db_constraint": False}


class Queue(models.Model):
    """The queue of a backend group: its lease with the epoch, its head, and whether another cycle is wanted."""

    group = models.OneToOneField(BackendGroup, models.CASCADE, primary_key=True, related_name="queue")
    epoch = models.BigIntegerField(_("epoch"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    wanted = models.BooleanField(_("wanted"), default=False)
    ticked_at = models.DateTimeField(_("last tick"), null=True)
    head = models.BigIntegerField(_("head"), default=0, help_text=_("The job that blocks those behind it; 0: none."))
    heads = JsonField(
        fits=is_whole, default=dict, help_text="Since when waiting jobs have been at the head, in milliseconds."
    )

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")

    def __str__(self) -> str:
        return str(self.group)


class Job(models.Model):
    """One request for the devices of an SDA, from acceptance to its end."""

    token = models.ForeignKey(Token, models.PROTECT, related_name="jobs", db_index=False, verbose_name=_("token"))
    sda = models.ForeignKey(Sda, models.PROTECT, related_name="jobs", db_index=False, verbose_name=_("SDA"))
    group = models.ForeignKey(
        BackendGroup, models.PROTECT, related_name="jobs", db_index=False, verbose_name=_("backend group")
    )
    num_devices = models.PositiveIntegerField(_("devices"))
    priority = models.SmallIntegerField(_("priority"), default=0)
    status = models.CharField(_("status"), max_length=16, choices=JobStatus, default=JobStatus.WAITING)
    cause = models.CharField(_("reason"), max_length=32, choices=Cause, blank=True, default=Cause.NONE)
    detail = models.CharField(_("detail"), max_length=512, blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    revision = models.PositiveIntegerField(default=1, help_text="Grows with every change that a client should see.")

    fair_rank = models.PositiveIntegerField(
        default=0,
        db_column="turn",
        help_text="Its place among its priority where the policy is fair; 0 elsewhere.",
    )
    pending_reason = models.CharField(_("why it waits"), max_length=32, blank=True, choices=pending_reasons)
    pending_needed = models.PositiveIntegerField(_("needed"), default=0)
    pending_available = models.PositiveIntegerField(_("available"), default=0)

    time_limit = models.DurationField(_("time limit"), null=True)
    preempt_at = models.DateTimeField(_("preempted at"), db_column="leaves_at", null=True)
    preempted_by = models.BigIntegerField(
        _("preempted for"), db_column="leaves_for", default=0, help_text=_("The job that gets the devices.")
    )

    pid = models.PositiveIntegerField(_("pid"), default=0)
    process_name = models.CharField(_("process"), max_length=255, blank=True)
    framework = models.CharField(_("framework"), max_length=64, blank=True)
    version = models.CharField(_("version"), max_length=64, blank=True)
    referer_protocol = models.CharField(max_length=16, blank=True)
    referer_ip = models.CharField(_("from address"), max_length=64, blank=True)

    key_form = models.PositiveSmallIntegerField(
        default=2, db_default=1, editable=False, help_text="How its resume key was made: 1 of its id alone."
    )
    request_id = models.CharField(max_length=64, help_text="Asking twice with the same one gives the same job.")
    client_seen_at = models.DateTimeField(_("client last seen"))
    used_memory = models.PositiveIntegerField(_("used memory (MiB)"), null=True)
    utilization = models.FloatField(_("utilization (%)"), null=True)

    requested_at = models.DateTimeField(_("requested"))
    submitted_at = models.DateTimeField(_("submitted"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    exit_code = models.IntegerField(_("exit code"), null=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["token", "request_id"], name="job_request_id"),
            models.CheckConstraint(condition=Q(num_devices__gte=1), name="job_num_devices"),
            models.CheckConstraint(
                condition=Q(priority__range=(MIN_PRIORITY, MAX_PRIORITY)), name="job_priority_range"
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE, ended_at__isnull=True) | Q(status__in=OVER, ended_at__isnull=False),
                name="job_ended_when_over",
            ),
        )
        indexes = (
            models.Index(
                F("group"),
                F("priority").desc(),
                F("fair_rank"),
                F("requested_at"),
                F("id"),
                condition=WAITING,
                name="job_queue",
            ),
            models.Index(fields=["submitted_at"], condition=Q(status__in=HOLDING), name="job_holding"),
            models.Index(fields=["preempt_at"], condition=Q(preempt_at__isnull=False), name="job_leaving"),
            models.Index(fields=["sda"], condition=Q(status__in=LIVE), name="job_live_sda"),
            models.Index(fields=["token", "-id"], name="job_token"),
            models.Index(
                F("ended_at").desc(),
                F("id").desc(),
                include=["status"],
                condition=Q(status__in=OVER),
                name="job_history",
            ),
            models.Index(
                fields=["ended_at"],
                condition=Q(status=JobStatus.FAILED, cause=Cause.WORKER_ERROR),
                name="job_worker_errors",
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"


class Allocation(models.Model):
    """One device held by a job or a reserved SDA, with start and end. Usage rests on allocations alone.

    `sda_model` and `group` say what it is billed as. A reservation stores them when it begins, a job's allocation when
    it ends: until then the SDA keeps its model and the job its group.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="allocations", null=True, verbose_name=_("job"))
    # Copied from the job, and neither is ever deleted. Constraints on them cost a tenth of a tick.
    sda = models.ForeignKey(
        Sda, models.PROTECT, related_name="allocations", db_index=False, db_constraint=False, verbose_name=_("SDA")
    )
    token = models.ForeignKey(Token, models.PROTECT, db_index=False, db_constraint=False, verbose_name=_("token"))
    device = models.ForeignKey(Device, models.PROTECT, related_name="allocations", db_index=False)
    sda_model = models.ForeignKey(SdaModel, models.PROTECT, **NOTED, verbose_name=_("SDA model"))
    group = models.ForeignKey(BackendGroup, models.PROTECT, **NOTED, verbose_name=_("backend group"))
    started_at = models.DateTimeField(_("from"))
    ready_at = models.DateTimeField(_("ready"), null=True, help_text=_("When its job's program could begin."))
    ended_at = models.DateTimeField(_("until"), null=True)
    clean_at = models.DateTimeField(_("clean"), null=True, help_text=_("When its device was no longer being cleaned."))

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["device"], condition=Q(ended_at__isnull=True), name="allocation_one_holder"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="allocation_order"
            ),
        )
        indexes = (
            models.Index(fields=["token", "started_at"], name="allocation_token"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="allocation_ended"),
            models.Index(fields=["device"], condition=UNCLEAN, name="allocation_unclean"),  # few, and none that is live
            models.Index(fields=["sda"], condition=Q(ended_at__isnull=True), name="allocation_live_sda"),
            models.Index(fields=["token"], condition=Q(ended_at__isnull=True), name="allocation_live_token"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"


class Share(models.Model):
    """The decayed usage of a token, for policy `fair`: device-time counts half after each half-life.

    It is not billed; allocations are.
    """

    token = models.OneToOneField(Token, models.CASCADE, primary_key=True, related_name="share")
    device_ms = models.FloatField(_("device-milliseconds"), default=0)
    at = models.DateTimeField(_("as of"))

    class Meta:
        verbose_name = _("recent use")
        verbose_name_plural = _("recent use")

    def __str__(self) -> str:
        return f"recent use of token {self.pk}"


class IdClock(models.Model):
    """Until when the database knows which ids were used (one row, id 1); a restored one has an older time."""

    at = models.DateTimeField(_("known until"))

    class Meta:
        verbose_name = _("clock of ids")
        verbose_name_plural = _("clock of ids")

    def __str__(self) -> str:
        return f"known until {self.at}"


class SkippedIds(models.Model):
    """Ids that are never used, because they may have been used before the database was restored."""

    table = models.CharField(_("table"), max_length=64)
    first = models.BigIntegerField(_("first"))
    last = models.BigIntegerField(_("last"))
    at = models.DateTimeField(_("skipped"))

    class Meta:
        verbose_name = _("skipped ids")
        verbose_name_plural = _("skipped ids")
        indexes = (models.Index(fields=["table", "first"], name="skippedids_table"),)

    def __str__(self) -> str:
        return f"{self.table} {self.first}-{self.last}"


class UnknownWorker(models.Model):
    """A worker on a node of a job that this database does not know, because it was restored from an older dump."""

    backend = models.ForeignKey(Backend, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    worker_id = models.BigIntegerField(_("worker"))
    job_id = models.BigIntegerField(_("job"))
    devices = JsonField(_("devices"), fits=is_whole, default=list)
    seen_at = models.DateTimeField(_("first seen"))

    class Meta:
        verbose_name = _("unknown worker")
        verbose_name_plural = _("unknown workers")
        constraints = (models.UniqueConstraint(fields=["backend", "worker_id"], name="unknownworker_once"),)

    def __str__(self) -> str:
        return f"#{self.worker_id}"


class Worker(models.Model):
    """The process of a job's attempt on one backend."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="workers", db_index=False)
    attempt = models.PositiveIntegerField(_("attempt"))
    backend = models.ForeignKey(Backend, models.PROTECT, related_name="workers", db_index=False, db_constraint=False)
    devices = JsonField(_("devices"), fits=is_whole, default=list, help_text=_("Indexes on its backend."))
    state = models.CharField(_("state"), max_length=16, choices=WorkerState, default=WorkerState.STARTING)
    address = models.CharField(_("address"), max_length=64, blank=True)
    error = models.CharField(_("error"), max_length=512, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        constraints = (models.UniqueConstraint(fields=["job", "attempt", "backend"], name="worker_once"),)
        indexes = (models.Index(fields=["backend"], condition=~Q(state=WorkerState.GONE), name="worker_present"),)

    def __str__(self) -> str:
        return f"#{self.pk}"


class WorkerTail(models.Model):
    """The last output of a worker, as its agent sent it unasked: for when its node is lost. Secrets are masked."""

    worker = models.OneToOneField(Worker, models.CASCADE, primary_key=True, related_name="tail")
    text = models.TextField(_("text"))
    start = models.BigIntegerField(_("start"), default=0, help_text=_("Offset of its first byte."))
    parts = models.JSONField(_("parts"), default=list, help_text=_("Bytes and characters of parts of the text."))
    end = models.BigIntegerField(_("end"), help_text=_("Bytes of its output, up to the end of this text."))
    at = models.DateTimeField(_("received at"), db_index=True)

    class Meta:
        verbose_name = _("last output")
        verbose_name_plural = _("last outputs")

    def __str__(self) -> str:
        return f"#{self.pk}"
