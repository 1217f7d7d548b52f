"""Subscriptions, and how far the event log has been read for them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.json_field import JsonField, is_text
from core.tombstone import Tombstoned
from outbox.models import Channel


class Subscription(Tombstoned):
    """A portal that gets events by signed webhook, over a channel of its own."""

    channel = models.OneToOneField(Channel, models.PROTECT, related_name="+", verbose_name=_("channel"))
    name = models.CharField(_("name"), max_length=128)
    kinds = JsonField(_("kinds"), fits=is_text, default=list)
    since_id = models.BigIntegerField(_("after the event"), editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class Feed(models.Model):
    """One row: the last event that was read for subscriptions, in the transaction that stored its deliveries."""

    position = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.position)
