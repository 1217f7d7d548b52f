"""SDA models, their groups, memberships and SDAs."""

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import DEFAULT_GROUP
from backends.models import BackendGroup
from core.tombstone import LIVE, Tombstoned
from inventory.choices import FieldNoun
from inventory.models import FieldValue
from tokens.models import Token, TokenGroup


class SdaModel(Tombstoned):
    """A model of accelerator: how many physical devices it stands for."""

    name = models.CharField(_("name"), max_length=128)
    num_devices = models.PositiveIntegerField(_("devices"), validators=[MinValueValidator(1)])
    description = models.CharField(_("description"), max_length=512, blank=True)
    open = models.BooleanField(
        _("open"), default=True, help_text=_("Any token may use it, on the default backend group.")
    )

    class Meta:
        verbose_name = _("SDA model")
        verbose_name_plural = _("SDA models")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=LIVE, name="sdamodel_name"),
            models.CheckConstraint(condition=Q(num_devices__gte=1), name="sdamodel_num_devices"),
        )

    def __str__(self) -> str:
        return self.name


class SdaModelGroup(Tombstoned):
    """A set of SDA models, bound to the one backend group that serves them."""

    name = models.CharField(_("name"), max_length=128)
    description = models.CharField(_("description"), max_length=512, blank=True)
    index = models.IntegerField(_("index"), default=0, help_text=_("Place in lists; lower comes first."))
    backend_group = models.ForeignKey(
        BackendGroup,
        models.PROTECT,
        related_name="sda_model_groups",
        default=DEFAULT_GROUP,
        verbose_name=_("backend group"),
    )
    sda_models = models.ManyToManyField(SdaModel, related_name="groups", blank=True, verbose_name=_("SDA models"))

    class Meta:
        verbose_name = _("SDA model group")
        verbose_name_plural = _("SDA model groups")
        ordering = ("index", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="sdamodelgroup_name"),)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """The right of the tokens of a user group to the models of an SDA model group."""

    token_group = models.ForeignKey(
        TokenGroup, models.CASCADE, related_name="memberships", db_index=False, verbose_name=_("user group")
    )
    model_group = models.ForeignKey(
        SdaModelGroup, models.CASCADE, related_name="memberships", verbose_name=_("SDA model group")
    )

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["token_group", "model_group"], name="membership_pair"),)

    def __str__(self) -> str:
        return f"{self.token_group} → {self.model_group}"


class Sda(Tombstoned):
    """A token's accelerator. Without a model group its model is an open one, served by the default backend group."""

    token = models.ForeignKey(Token, models.PROTECT, related_name="sdas", db_index=False, verbose_name=_("token"))
    model = models.ForeignKey(SdaModel, models.PROTECT, related_name="sdas", verbose_name=_("SDA model"))
    model_group = models.ForeignKey(
        SdaModelGroup, models.PROTECT, related_name="sdas", null=True, blank=True, verbose_name=_("SDA model group")
    )
    alias = models.CharField(_("alias"), max_length=512, blank=True)
    reserved = models.BooleanField(
        _("reserved"), default=False, help_text=_("Its devices are held for it all the time.")
    )
    current = models.BooleanField(_("current"), default=False)

    class Meta:
        verbose_name = _("SDA")
        verbose_name_plural = _("SDAs")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["token"], condition=LIVE & Q(current=True), name="sda_one_current"),
        )
        indexes = (models.Index(fields=["token", "id"], condition=LIVE, name="sda_token"),)

    def __str__(self) -> str:
        return f"{self.alias or self.model_id} #{self.pk}"


class SdaModelFieldValue(FieldValue):
    """The value of a custom field of an SDA model."""

    noun: ClassVar[FieldNoun] = FieldNoun.SDA_MODEL

    target = models.ForeignKey(SdaModel, models.CASCADE, related_name="custom_values")

    class Meta(FieldValue.Meta):
        verbose_name = _("custom field of an SDA model")
        verbose_name_plural = _("custom fields of SDA models")
