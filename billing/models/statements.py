from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from billing.choices import StatementKind, StatementStatus
from billing.models.prices import DECIMALS, DIGITS, Price
from billing.pricing import digits_of, money
from sda.models import SdaModel
from tokens.models import Token

# So many digits are exact on SQLite too; three decimals are what the finest currency has.
MOST = Decimal(10) ** 12
MONEY: Any = {"max_digits": 15, "decimal_places": 3}
# Whoever deletes drafts deletes their lines first, in one statement; the database refuses to orphan any.
OURS: Any = {"on_delete": models.DO_NOTHING}


class Statement(models.Model):
    """What a token owes for a month, or a correction of it. Once issued, neither it nor its lines ever change."""

    token = models.ForeignKey(Token, models.PROTECT, related_name="statements", db_index=False, verbose_name=_("token"))
    month = models.DateField(_("month"), help_text=_("Its first day, in the installation's time zone."))
    sequence = models.PositiveSmallIntegerField(
        _("sequence"), default=0, help_text=_("0 is the statement; its corrections are 1, 2 and so on.")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=StatementKind, default=StatementKind.STATEMENT)
    status = models.CharField(_("status"), max_length=16, choices=StatementStatus, default=StatementStatus.DRAFT)
    corrects = models.ForeignKey(
        "self", null=True, blank=True, related_name="corrections", verbose_name=_("corrects"), **OURS
    )
    number = models.CharField(
        _("number"), max_length=32, blank=True, help_text=_("Month and token; a correction's own number follows.")
    )
    customer = models.CharField(_("customer"), max_length=512, help_text=_("The token's name when it was made."))
    currency = models.CharField(_("currency"), max_length=3)
    time_zone = models.CharField(_("time zone"), max_length=64)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    device_ms = models.BigIntegerField(_("device-milliseconds"))
    total = models.DecimalField(
        _("total amount"), help_text=_("The sum of the lines, each of which is rounded."), **MONEY
    )
    made_at = models.DateTimeField(_("made"))
    issued_at = models.DateTimeField(_("issued"), null=True, blank=True)
    issued_by = models.CharField(_("issued by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        ordering = ("-month", "token_id", "sequence")
        constraints = (
            models.UniqueConstraint(fields=["token", "month", "sequence"], name="statement_of_a_month"),
            models.UniqueConstraint(fields=["number"], condition=~Q(number=""), name="statement_number"),
            models.CheckConstraint(
                condition=Q(kind="STATEMENT", sequence=0, corrects=None)
                | Q(kind="CORRECTION", sequence__gt=0, corrects__isnull=False),
                name="statement_corrects",
            ),
            models.CheckConstraint(
                condition=Q(status="DRAFT", number="", issued_at=None)
                | Q(status="ISSUED", number__gt="", issued_at__isnull=False),
                name="statement_issued",
            ),
        )
        indexes = (models.Index(fields=["-month", "token", "sequence"], name="statement_month"),)  # as lists are sorted

    def __str__(self) -> str:
        return self.number or f"{self.month:%Y-%m} {self.customer}"

    @property
    def digits(self) -> int:
        """Return how many minor digits its amounts have."""
        return digits_of(self.currency)

    @property
    def amount(self) -> str:
        """Its total as it is printed, without the currency."""
        return money(self.total, self.digits)


class StatementLine(models.Model):
    """Device-time of one SDA model on one device model at one price; of a correction, the difference."""

    statement = models.ForeignKey(Statement, related_name="lines", db_index=False, verbose_name=_("statement"), **OURS)
    place = models.PositiveSmallIntegerField(_("place"))
    sda_model = models.ForeignKey(
        SdaModel, models.PROTECT, related_name="+", db_index=False, verbose_name=_("SDA model")
    )
    sda_model_name = models.CharField(_("SDA model"), max_length=128, help_text=_("As it was called then."))
    device_model = models.CharField(_("device model"), max_length=64, blank=True)
    price = models.ForeignKey(
        Price, models.SET_NULL, null=True, blank=True, related_name="lines", verbose_name=_("price")
    )
    unit_price = models.DecimalField(
        _("price of a device-hour"), max_digits=DIGITS, decimal_places=DECIMALS, null=True, blank=True
    )
    device_ms = models.BigIntegerField(_("device-milliseconds"))
    preparing_ms = models.BigIntegerField(_("preparing (ms)"))
    reserved_ms = models.BigIntegerField(_("reserved (ms)"))
    amount = models.DecimalField(_("amount"), **MONEY)

    class Meta:
        verbose_name = _("line of a statement")
        verbose_name_plural = _("lines of statements")
        ordering = ("statement_id", "place")
        constraints = (models.UniqueConstraint(fields=["statement", "place"], name="statement_line_place"),)

    def __str__(self) -> str:
        return f"{self.statement_id}/{self.place} {self.sda_model_name} {self.device_model}"

    @property
    def processing_ms(self) -> int:
        """Return the time that is neither preparing nor reserved."""
        return self.device_ms - self.preparing_ms - self.reserved_ms
