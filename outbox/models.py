"""Channels, deliveries, the messages that carry them, and attempts to send these."""

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.crypto import EncryptedField
from core.json_field import JsonField, is_text, is_whole
from core.tombstone import LIVE, Tombstoned
from outbox.choices import AttemptResult, ChannelKind, DeliveryState, Language


class Channel(Tombstoned):
    """Where messages go. `attempt` is the fence of the worker that sends them, one at a time for each channel."""

    name = models.CharField(_("name"), max_length=128)
    kind = models.CharField(_("kind"), max_length=16, choices=ChannelKind)
    url = EncryptedField(_("address"), blank=True, default="", editable=False)
    secret = EncryptedField(_("secret"), blank=True, default="", editable=False)
    old_secret = EncryptedField(_("old secret"), blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(_("old secret valid until"), null=True, blank=True, editable=False)
    recipients = JsonField(_("recipients"), fits=is_text, default=list, blank=True)
    language = models.CharField(_("language"), max_length=8, choices=Language, default=Language.ENGLISH)
    enabled = models.BooleanField(_("enabled"), default=True)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="channel_name"),)

    def __str__(self) -> str:
        return self.name


class OutgoingMessage(models.Model):
    """What is sent at once: one delivery, or a group. `next_at` is null when nothing more is to be sent.

    `uid` and `content` are stored before the first attempt: whoever sends it again sends the same. `settled` has the
    recipients of a mail who are done with, while others are refused for now; once one has it, its deliveries are SENT.
    """

    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+")
    uid = models.UUIDField(default=uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=48)
    subject = models.CharField(pgettext_lazy("of a message", "subject"), max_length=255, blank=True)
    content = models.TextField(blank=True, editable=False)
    settled = JsonField(fits=is_whole, default=dict, blank=True, editable=False)
    tries = models.PositiveIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("created"))
    next_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    give_up_at = models.DateTimeField(_("given up at"))

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = (
            models.Index(fields=["channel", "next_at"], condition=Q(next_at__isnull=False), name="outgoing_next"),
            models.Index(fields=["created_at"], name="outgoing_age"),
        )

    def __str__(self) -> str:
        return f"msg_{self.uid.hex}"


class Delivery(models.Model):
    """One thing that a channel is to get, stored in the transaction of what it tells of."""

    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+", db_index=False, verbose_name=_("channel"))
    kind = models.CharField(_("kind"), max_length=48)
    payload = JsonField(_("payload"), default=dict)
    ordering_key = models.CharField(_("about"), max_length=128, blank=True)
    group_key = models.CharField(_("group"), max_length=128, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=DeliveryState, default=DeliveryState.PENDING)
    message = models.ForeignKey(
        OutgoingMessage, models.PROTECT, null=True, blank=True, related_name="deliveries", verbose_name=_("message")
    )
    created_at = models.DateTimeField(_("created"))
    not_before = models.DateTimeField(_("not before"))
    ended_at = models.DateTimeField(_("end"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["channel", "id"], condition=Q(state="PENDING"), name="delivery_pending"),
            models.Index(
                fields=["channel", "ordering_key"],
                condition=Q(state__in=["PENDING", "SENDING"]),
                name="delivery_order",
            ),
            models.Index(fields=["channel", "-id"], name="delivery_channel"),
            models.Index(fields=["ordering_key", "-id"], name="delivery_about"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="delivery_age"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"


class Attempt(models.Model):
    """One attempt to send a message: the delivery log."""

    message = models.ForeignKey(OutgoingMessage, models.CASCADE, related_name="attempts", verbose_name=_("message"))
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+", db_index=False, verbose_name=_("channel"))
    number = models.PositiveIntegerField(_("attempt"))
    at = models.DateTimeField(_("time"))
    result = models.CharField(_("result"), max_length=16, choices=AttemptResult)
    code = models.PositiveIntegerField(_("answer code"), null=True, blank=True)
    latency_ms = models.PositiveIntegerField(_("latency"), default=0, help_text=_("In milliseconds."))
    size = models.PositiveIntegerField(_("size"), default=0, help_text=_("Bytes that were sent."))
    detail = models.CharField(_("detail"), max_length=512, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("delivery log")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["channel", "-id"], name="attempt_channel"),
            models.Index(fields=["at"], name="attempt_age"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"
