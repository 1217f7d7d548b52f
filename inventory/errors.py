"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import DomainError

NO_SUCH_FIELD = _("There is no such custom field.")


class FieldInUse(DomainError):
    code = "FIELD_IN_USE"
    message = _("Objects have values of this custom field.")
