"""Which mail addresses a channel may have: those that a mail can be sent to."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from core.errors import Message
from core.stored_text import StoredText
from outbox.sending.mail import ascii_address

MOST_RECIPIENTS = 50


def problem_of_recipients(recipients: Sequence[str]) -> Message | None:
    """Return what is wrong with recipients, with the first address that is; None if nothing is."""
    if not 0 < len(recipients) <= MOST_RECIPIENTS:
        return _("Enter 1 to 50 mail addresses.")
    return next((problem for one in recipients if (problem := _problem_of_address(one))), None)


def _problem_of_address(address: str) -> Message | None:
    try:
        validate_email(address)
        ascii_address(address)
    except ValidationError:
        return StoredText(_("“%(address)s” is no mail address. Enter one in each line."), {"address": address})
    except UnicodeError:
        return StoredText(_("No mail can be sent to it: %(address)s"), {"address": address})
    return None
