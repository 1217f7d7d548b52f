from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from sda.models import SdaModel

# So many digits are exact on SQLite too, which keeps decimals as floats.
DIGITS, DECIMALS = 15, 6


class Price(models.Model):
    """The price of a device-hour while it is valid: of an SDA model, or of a device model whatever the SDA model."""

    sda_model = models.ForeignKey(
        SdaModel,
        models.PROTECT,
        related_name="prices",
        null=True,
        blank=True,
        verbose_name=_("SDA model"),
        help_text=_("Its price wins over that of the device model. Either this or a device model, not both."),
    )
    device_model = models.CharField(
        _("device model"),
        max_length=64,
        blank=True,
        help_text=_("As the nodes report it, letter by letter. Either this or an SDA model, not both."),
    )
    amount = models.DecimalField(
        _("price of a device-hour"),
        max_digits=DIGITS,
        decimal_places=DECIMALS,
        validators=[MinValueValidator(0)],
        help_text=_("In the installation's currency; up to six decimals. It is not rounded, only a line is."),
    )
    valid_from = models.DateField(
        _("valid from"), help_text=_("It begins with this day's midnight, in the installation's time zone.")
    )
    valid_until = models.DateField(
        _("valid until"),
        null=True,
        blank=True,
        help_text=_("It ends with this day's midnight: the day is the first one without it. Empty: no end."),
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ("sda_model", "device_model", "-valid_from")
        constraints = (
            models.CheckConstraint(
                condition=Q(sda_model__isnull=True, device_model__gt="") | Q(sda_model__isnull=False, device_model=""),
                name="price_of_one_model",
            ),
            # The upper bound refuses NaN, which PostgreSQL sorts above every number.
            models.CheckConstraint(
                condition=Q(amount__gte=0, amount__lt=10 ** (DIGITS - DECIMALS)), name="price_amount"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")), name="price_span"
            ),
            # PostgreSQL also forbids that two overlap (migration 0002); this much every database can.
            models.UniqueConstraint(fields=["sda_model", "valid_from"], name="price_sda_model_day"),
            models.UniqueConstraint(
                fields=["device_model", "valid_from"], condition=Q(sda_model=None), name="price_device_model_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.sda_model.name if self.sda_model else self.device_model} {self.valid_from:%Y-%m-%d}"
