from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.json_field import JsonField


class Event(models.Model):
    """What happened, and who did it. Rows are only ever added.

    The log knows nobody: tokens and subjects are plain numbers, so that it outlives what it speaks of.
    """

    action = models.CharField(_("action"), max_length=48)
    subject = models.CharField(
        _("subject"), max_length=64, blank=True, help_text=_("Kind and number, like backend/12.")
    )
    token_id = models.BigIntegerField(_("token"), null=True, blank=True)
    request = JsonField(_("request"), shaped=False, default=dict)
    response = JsonField(_("response"), shaped=False, default=dict)
    actor = models.CharField(_("by"), max_length=150)
    referer_protocol = models.CharField(_("protocol"), max_length=16, blank=True)
    referer_ip = models.CharField(_("from address"), max_length=64, blank=True)
    event_time = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["action", "-id"], name="event_action"),
            models.Index(fields=["subject", "-id"], name="event_subject"),
            models.Index(fields=["token_id", "-id"], name="event_token"),
            models.Index(fields=["actor", "-id"], name="event_actor"),
            BrinIndex(fields=["event_time"], name="event_time_brin"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.subject}".strip()


class Watermark(models.Model):
    """One row: up to which id every event is committed or will never come (ADR 33)."""

    settled_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.settled_id)
