"""Tags, definitions of custom fields, and the base of their values."""

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.json_field import JsonField, is_text
from core.tombstone import LIVE, Tombstoned
from inventory.choices import FieldKind, FieldNoun, TagColour
from inventory.kinds import LONGEST_VALUE, typed_value

TAG_NAME = RegexValidator(
    r"^[^\[,;][^,;]*$", _("A tag's name has no comma or semicolon and does not begin with a bracket.")
)
FIELD_NAME = RegexValidator(r"^[a-z][a-z0-9_]*$", _("Use small letters, digits and underscores; begin with a letter."))


class Tag(models.Model):
    """A word that operators put on nodes. Names that differ only in case are the same."""

    name = models.CharField(_("name"), max_length=64, validators=[TAG_NAME])
    key = models.CharField(max_length=192, unique=True, editable=False, help_text="The name in one case.")
    colour = models.CharField(_("colour"), max_length=16, choices=TagColour, blank=True, default=TagColour.GREY)
    description = models.CharField(_("description"), max_length=512, blank=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ("key",)

    def __str__(self) -> str:
        return self.name


class CustomField(Tombstoned):
    """The definition of a custom field of one noun. Its values are rows of the noun's own table."""

    noun = models.CharField(_("of"), max_length=16, choices=FieldNoun)
    name = models.CharField(
        _("name"),
        max_length=40,
        validators=[FIELD_NAME],
        help_text=_("In files and in REST it is called cf_ and this name."),
    )
    label = models.CharField(_("label"), max_length=64, blank=True, help_text=_("What pages show instead of the name."))
    description = models.CharField(_("description"), max_length=512, blank=True)
    kind = models.CharField(_("kind"), max_length=16, choices=FieldKind, default=FieldKind.TEXT)
    choices = JsonField(_("choices"), fits=is_text, default=list, blank=True)
    required = models.BooleanField(
        _("required"), default=False, help_text=_("Operators cannot create an object without it, or empty it.")
    )
    in_lists = models.BooleanField(_("in lists"), default=False, help_text=_("Lists have a column for it."))
    index = models.IntegerField(_("index"), default=0, help_text=_("Place in lists; lower comes first."))

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ("noun", "index", "id")
        constraints = (models.UniqueConstraint(fields=["noun", "name"], condition=LIVE, name="customfield_name"),)

    def __str__(self) -> str:
        return self.label or self.name

    @property
    def key(self) -> str:
        """Return what it is called in forms, files and filters."""
        return f"cf_{self.name}"


class FieldValue(models.Model):
    """The value of one custom field of one object; a subclass in the noun's app adds `target`, the object.

    `value` is the text that `inventory.kinds` makes of the value. Only one text means the same value, so a filter
    compares texts and uses the index.
    """

    noun: ClassVar[FieldNoun]

    field = models.ForeignKey(CustomField, models.PROTECT, related_name="+", db_index=False)
    value = models.CharField(_("value"), max_length=LONGEST_VALUE)

    class Meta:
        abstract = True
        constraints = (models.UniqueConstraint(fields=["field", "target"], name="%(class)s_once"),)
        indexes = (models.Index(fields=["field", "value"], name="%(class)s_value"),)

    def __str__(self) -> str:
        return self.value

    @classmethod
    def rows(cls) -> Any:
        """Return all rows of the table; only subclasses have one, and their `target`."""
        return cls._default_manager.all()

    @property
    def typed(self) -> Any:
        """Return the value as Python knows it."""
        return typed_value(self.field.kind, self.value)
