"""The nouns that can have custom fields, the kinds of fields, and the colours of tags."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class FieldNoun(TextChoices):
    """What a custom field belongs to. The values stay as they are on the wire."""

    BACKEND = "backend", _("Nodes")
    BACKEND_GROUP = "backendgroup", _("Backend groups")
    TOKEN = "token", _("Tokens")
    SDA_MODEL = "sdamodel", _("SDA models")


class FieldKind(TextChoices):
    """What a custom field can hold. The values stay as they are on the wire."""

    TEXT = "text", _("text")
    INTEGER = "integer", _("integer")
    DECIMAL = "decimal", _("decimal")
    BOOLEAN = "boolean", _("yes or no")
    DATE = "date", _("date")
    CHOICE = "choice", _("choice")
    URL = "url", _("web address")


class TagColour(TextChoices):
    """The colour of a tag; the values are those of badges."""

    GREY = "", _("grey")
    BLUE = "info", _("blue")
    GREEN = "success", _("green")
    ORANGE = "warning", _("orange")
    RED = "danger", _("red")
