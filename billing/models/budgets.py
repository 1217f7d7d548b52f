from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tokens.choices import BudgetKind
from tokens.models import Token


class Budget(models.Model):
    """How much money, or how many device-hours, a token may use in each month."""

    token = models.ForeignKey(Token, models.PROTECT, related_name="budgets", verbose_name=_("token"))
    kind = models.CharField(_("kind"), max_length=16, choices=BudgetKind)
    amount = models.DecimalField(
        _("amount of a month"),
        max_digits=15,  # exact on SQLite too, which keeps decimals as floats
        decimal_places=3,
        validators=[MinValueValidator(0)],
        help_text=_("In the installation's currency, or in device-hours; for each month of its time zone."),
    )
    warn_percent = models.PositiveSmallIntegerField(
        _("warn at (%)"),
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("An alert is raised when so much of it is used, once a month."),
    )
    stops = models.BooleanField(
        _("stops new jobs"),
        default=False,
        help_text=_("When it is spent, the token starts no new job until the next month. What runs goes on."),
    )
    warned_in = models.DateField(_("warned in"), null=True, editable=False, help_text=_("The month's first day."))
    spent_in = models.DateField(_("spent in"), null=True, editable=False, help_text=_("The month's first day."))

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ("token_id", "kind")
        constraints = (
            models.UniqueConstraint(fields=["token", "kind"], name="budget_once"),
            # The upper bound refuses NaN, which PostgreSQL sorts above every number.
            models.CheckConstraint(condition=Q(amount__gte=0, amount__lt=10**12), name="budget_amount"),
            models.CheckConstraint(condition=Q(warn_percent__range=(1, 100)), name="budget_warn_percent"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount.normalize():f}"
