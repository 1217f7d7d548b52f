"""Agents, their orders, and enrolment."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import OPEN_ORDERS, OrderState, OrderVerb
from backends.models.groups import BackendGroup
from backends.models.nodes import Backend
from core.json_field import JsonField, is_whole


class Agent(models.Model):
    """What a backend's agent last reported, and the stream that is its session."""

    backend = models.OneToOneField(Backend, models.CASCADE, primary_key=True, related_name="agent")
    instance_id = models.CharField(_("installation"), max_length=64, blank=True)
    boot = models.BigIntegerField(_("boot"), default=0, help_text=_("Grows with every start of the agent."))
    sequence = models.BigIntegerField(_("sequence"), default=0)
    session = models.UUIDField(_("session"), null=True, help_text=_("The stream that counts; others are refused."))
    last_seen = models.DateTimeField(_("last seen"), null=True)
    version = models.CharField(_("version"), max_length=64, blank=True)
    host_name = models.CharField(_("host name"), max_length=255, blank=True)
    boot_id = models.CharField(
        _("boot of the host"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("Another one at each start of the operating system; empty: the agent cannot tell."),
    )
    cpu = models.FloatField(_("CPU (%)"), null=True)
    used_memory = models.BigIntegerField(_("used memory (MiB)"), null=True)
    total_memory = models.BigIntegerField(_("memory (MiB)"), null=True)

    clock_skew_ms = models.BigIntegerField(
        _("clock skew (ms)"), null=True, help_text=_("How far the clock of the node is from the server's; + is fast.")
    )

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        indexes = (models.Index(fields=["last_seen"], name="agent_last_seen"),)

    def __str__(self) -> str:
        return f"agent of backend {self.pk}"


class Order(models.Model):
    """An order to an agent. It is delivered until it is settled; the agent carries it out once.

    `ref` is the number of the worker that it is about.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backend = models.ForeignKey(Backend, models.CASCADE, related_name="orders", db_index=False, db_constraint=False)
    verb = models.CharField(_("verb"), max_length=8, choices=OrderVerb)
    ref = models.BigIntegerField(_("worker"), null=True, blank=True)
    devices = JsonField(_("devices"), fits=is_whole, default=list)
    state = models.CharField(_("state"), max_length=16, choices=OrderState, default=OrderState.PENDING)
    error = models.CharField(_("error"), max_length=512, blank=True)
    created_at = models.DateTimeField(_("given"))
    settled_at = models.DateTimeField(_("settled"), null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("created_at",)
        indexes = (
            models.Index(fields=["backend", "created_at"], condition=Q(state__in=OPEN_ORDERS), name="order_open"),
            models.Index(fields=["ref"], name="order_ref"),
        )

    def __str__(self) -> str:
        return f"{self.verb} {self.ref or ''}".strip()


class EnrolmentKey(models.Model):
    """A key with which the agent of a new node enrols itself, once."""

    key_digest = models.CharField(max_length=64, unique=True, editable=False)
    group = models.ForeignKey(BackendGroup, models.PROTECT, verbose_name=_("backend group"))
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"))
    used_by = models.OneToOneField(Backend, models.PROTECT, null=True, blank=True, verbose_name=_("used by"))

    class Meta:
        verbose_name = _("enrolment key")
        verbose_name_plural = _("enrolment keys")

    def __str__(self) -> str:
        return f"#{self.pk}"


class ManagerPresence(models.Model):
    """The time since when a manager has been serving without a break (one row, id 1).

    The silence of agents and clients counts from then on: before, there was no manager to report to.
    """

    since = models.DateTimeField(_("serving since"))
    seen = models.DateTimeField(_("last sign of life"))
    outage_noticed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="An older database may have been restored before: a node is unknown until its agent reports.",
    )

    class Meta:
        verbose_name = _("manager presence")
        verbose_name_plural = _("manager presence")

    def __str__(self) -> str:
        return f"serving since {self.since}"
