"""Tokens, user groups, and the custom fields of tokens."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.crypto import EncryptedField, EncryptedMapField, readable
from core.json_field import JsonField, is_text
from core.tombstone import LIVE, Tombstoned
from inventory.choices import FieldNoun
from inventory.models import FieldValue
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY, AccessLevel


class TokenGroup(Tombstoned):
    """A set of tokens: a team of customers."""

    name = models.CharField(_("name"), max_length=128)
    description = models.CharField(_("description"), max_length=512, blank=True)
    index = models.IntegerField(_("index"), default=0, help_text=_("Place in lists; lower comes first."))
    max_devices = models.PositiveIntegerField(
        _("max devices"),
        null=True,
        blank=True,
        help_text=_("Devices that its tokens may hold at once, all together; empty: no limit."),
    )

    class Meta:
        verbose_name = _("user group")
        verbose_name_plural = _("user groups")
        ordering = ("index", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="tokengroup_name"),)

    def __str__(self) -> str:
        return self.name


class Token(Tombstoned):
    """A customer's identity. The value is a secret: encrypted at rest, found by its digest."""

    value = EncryptedField(_("value"), editable=False)
    value_digest = models.CharField(max_length=64, unique=True, editable=False)
    description = models.CharField(_("description"), max_length=512, help_text=_("The customer's name."))
    priority = models.SmallIntegerField(
        _("priority"),
        default=0,
        validators=[MinValueValidator(MIN_PRIORITY), MaxValueValidator(MAX_PRIORITY)],
        help_text=_("-99 to 99; jobs start with it, and higher goes first."),
    )
    max_sda_count = models.PositiveIntegerField(
        _("max SDAs"), default=1, validators=[MinValueValidator(1)], help_text=_("How many SDAs it may own.")
    )
    max_duplicates = models.PositiveIntegerField(
        _("max duplicates"),
        default=1,
        help_text=_("Jobs at once on one SDA: 1 = one, 0 = no limit. Other than 1 only with one SDA."),
    )
    max_devices = models.PositiveIntegerField(
        _("max devices"), null=True, blank=True, help_text=_("Devices that it may hold at once; empty: no limit.")
    )
    access_level = models.CharField(_("access level"), max_length=16, choices=AccessLevel, default=AccessLevel.USER)
    env = EncryptedMapField(_("environment"), default=dict, blank=True, help_text=_("Variables for its workers."))
    stopped_at = models.DateTimeField(
        _("stopped"), null=True, editable=False, help_text=_("Since then it has started no new job.")
    )
    stopped_for = JsonField(
        fits=is_text, default=dict, editable=False, help_text="What it has used up: kind, limit, spent and unit."
    )
    groups = models.ManyToManyField(TokenGroup, related_name="tokens", blank=True, verbose_name=_("user groups"))

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(priority__range=(MIN_PRIORITY, MAX_PRIORITY)), name="token_priority_range"
            ),
            models.CheckConstraint(condition=Q(max_sda_count__gte=1), name="token_max_sda_count"),
            models.CheckConstraint(
                condition=Q(max_duplicates=1) | Q(max_sda_count=1), name="token_duplicates_need_one_sda"
            ),
        )
        indexes = (models.Index(fields=["description"], name="token_description"),)

    def __str__(self) -> str:
        return self.description

    @property
    def masked(self) -> str:
        """Return enough of the value to recognise it, too little to use it; "…" if it cannot be decrypted."""
        return f"{(readable(self.value) or '')[:4]}…"


class TokenFieldValue(FieldValue):
    """The value of a custom field of a token."""

    noun: ClassVar[FieldNoun] = FieldNoun.TOKEN

    target = models.ForeignKey(Token, models.CASCADE, related_name="custom_values")

    class Meta(FieldValue.Meta):
        verbose_name = _("custom field of a token")
        verbose_name_plural = _("custom fields of tokens")
