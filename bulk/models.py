from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bulk.choices import BulkState, ItemState, StopReason
from core.crypto import EncryptedField
from core.json_field import JsonField, is_list


class BulkAction(models.Model):
    """One verb for many rows, as somebody agreed to it; workers carry it out item by item.

    `attempt` is the fence: a worker writes only while the number that it took the action under is still the latest.
    """

    noun = models.CharField(_("of"), max_length=64, help_text=_("Like backends.Backend."))
    verb = models.CharField(_("action"), max_length=64)
    data = JsonField(_("request"), fits=is_list, default=dict)
    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="bulk_actions")
    actor = models.CharField(_("by"), max_length=150)
    protocol = models.CharField(_("protocol"), max_length=16, blank=True)
    ip_address = models.CharField(_("from address"), max_length=64, blank=True)
    source = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="outcome",
        verbose_name=_("dry run"),
        help_text=_("What an import carries out, once."),
    )
    state = models.CharField(_("state"), max_length=16, choices=BulkState, default=BulkState.QUEUED)
    why = models.CharField(_("why"), max_length=16, choices=StopReason, blank=True)
    stopped_by = models.CharField(_("stopped by"), max_length=150, blank=True)
    total = models.PositiveIntegerField(_("total"))
    done = models.PositiveIntegerField(_("done"), default=0)
    failed = models.PositiveIntegerField(_("refused"), default=0)
    skipped = models.PositiveIntegerField(_("left out"), default=0)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    requested_at = models.DateTimeField(_("requested"))
    started_at = models.DateTimeField(_("start"), null=True, blank=True)
    ended_at = models.DateTimeField(_("end"), null=True, blank=True)

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(total__gte=models.F("done") + models.F("failed") + models.F("skipped")),
                name="bulk_counts_items_once",
            ),
        )
        indexes = (
            models.Index(fields=["lease_until"], condition=Q(state__in=["QUEUED", "RUNNING"]), name="bulk_under_way"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def settled(self) -> int:
        """Return how many items are settled."""
        return self.done + self.failed + self.skipped

    @property
    def left(self) -> int:
        """Return how many items are not settled."""
        return self.total - self.settled


class BulkItem(models.Model):
    """One row that a bulk action is about. `message` is kept so that it can be said in any language."""

    bulk = models.ForeignKey(BulkAction, models.CASCADE, related_name="items")
    object_pk = models.CharField(_("number"), max_length=64)
    name = models.CharField(_("name"), max_length=255)
    state = models.CharField(_("state"), max_length=16, choices=ItemState, default=ItemState.WAITING)
    message = JsonField(_("message"), default=dict)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0, editable=False)
    # A line of a file, as JSON; it may hold passwords, so it is encrypted, and goes when it was carried out.
    payload = EncryptedField(default="", blank=True, editable=False)

    class Meta:
        verbose_name = _("item of a bulk action")
        verbose_name_plural = _("items of bulk actions")
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["bulk", "object_pk"], name="bulk_item_once"),)
        indexes = (models.Index(fields=["bulk", "state", "id"], name="bulk_item_state"),)

    def __str__(self) -> str:
        return self.name


class SentForm(models.Model):
    """A form that was sent: its second sending does nothing."""

    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    bulk = models.ForeignKey(BulkAction, models.CASCADE, null=True, related_name="+")
    sent_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["operator", "key"], name="sent_form_once"),)

    def __str__(self) -> str:
        return self.key
