"""The values of custom fields of nodes and backend groups."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from backends.models.groups import BackendGroup
from backends.models.nodes import Backend
from inventory.choices import FieldNoun
from inventory.models import FieldValue


class NodeFieldValue(FieldValue):
    """The value of a custom field of a node."""

    noun: ClassVar[FieldNoun] = FieldNoun.BACKEND

    target = models.ForeignKey(Backend, models.CASCADE, related_name="custom_values")

    class Meta(FieldValue.Meta):
        verbose_name = _("custom field of a node")
        verbose_name_plural = _("custom fields of nodes")


class BackendGroupFieldValue(FieldValue):
    """The value of a custom field of a backend group."""

    noun: ClassVar[FieldNoun] = FieldNoun.BACKEND_GROUP

    target = models.ForeignKey(BackendGroup, models.CASCADE, related_name="custom_values")

    class Meta(FieldValue.Meta):
        verbose_name = _("custom field of a backend group")
        verbose_name_plural = _("custom fields of backend groups")
