"""The health of devices: what was found, and which card is, or was, in their places."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backends.models.nodes import Device

OPEN_FINDING = Q(ended_at__isnull=True)


class Finding(models.Model):
    """Something that is, or was, wrong with a device, with its evidence. What a code means: `backends.health`.

    It is open while it holds. A cleared one no longer counts for the verdict, unless it becomes worse.
    """

    device = models.ForeignKey(Device, models.CASCADE, related_name="findings", db_index=False)
    code = models.CharField(_("finding"), max_length=32)
    number = models.BigIntegerField(_("number"), default=0)
    count = models.BigIntegerField(_("count"), default=0)
    text = models.CharField(_("evidence"), max_length=512, blank=True)
    first_at = models.DateTimeField(_("first seen"))
    last_at = models.DateTimeField(_("last seen"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    cleared_at = models.DateTimeField(_("cleared"), null=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["device", "code", "number"], condition=OPEN_FINDING, name="finding_open"),
        )
        indexes = (models.Index(F("device"), F("id").desc(), name="finding_device"),)

    def __str__(self) -> str:
        return f"{self.code} {self.number}" if self.number else self.code

    @property
    def evidence(self) -> str:
        """Return it with its count and what was printed, on one line."""
        count = f" ({self.count})" if self.count else ""
        return f"{self}{count}: {self.text}" if self.text else f"{self}{count}"


class Identified(models.Model):
    """What identifies a card, as its node's agent reports it; "" is not known."""

    uuid = models.CharField(_("UUID"), max_length=64, blank=True)
    serial = models.CharField(_("serial number"), max_length=64, blank=True)
    pci_address = models.CharField(_("PCI address"), max_length=16, blank=True)
    driver_version = models.CharField(_("driver"), max_length=64, blank=True)
    firmware_version = models.CharField(_("firmware"), max_length=64, blank=True)

    class Meta:
        abstract = True


class Card(Identified):
    """The card that is in a device's place."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="card")
    since = models.DateTimeField(_("since"), help_text=_("When the card was first reported there."))

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        indexes = (
            models.Index(fields=["uuid"], name="card_uuid"),
            models.Index(fields=["serial"], name="card_serial"),
        )

    def __str__(self) -> str:
        return self.serial or self.uuid


class FormerCard(Identified):
    """A card that was in a device's place until its node's agent found another one there."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="former_cards", db_index=False)
    model = models.CharField(_("model"), max_length=64, blank=True)
    verdict = models.CharField(_("health"), max_length=8, blank=True)
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("former card")
        verbose_name_plural = _("former cards")
        ordering = ("-until",)
        constraints = (models.UniqueConstraint(fields=["device", "until"], name="formercard_once"),)

    def __str__(self) -> str:
        return f"{self.serial or self.uuid} until {self.until}"
