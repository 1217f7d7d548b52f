"""The validation of fields that a caller may set."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from backends.models import Backend, Bmc
from core.errors import InvalidParameter


def require_valid(row: Backend | Bmc, *, names: Mapping[str, str]) -> None:
    """Raise InvalidParameter, with the wire names of the fields, unless the fields in `names` are valid."""
    own = {field.name for field in row._meta.concrete_fields} - names.keys()
    try:
        row.clean_fields(exclude=own)
    except ValidationError as error:
        problems = {names[field]: messages for field, messages in error.message_dict.items()}
        raise InvalidParameter(_("A value is not valid."), **problems) from error
