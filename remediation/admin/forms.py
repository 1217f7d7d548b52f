"""The forms of repairs."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from backends.services.verdicts import LONGEST_REASON
from core.admin import ConfirmForm
from core.numbers import whole


class ReturnForm(ConfirmForm):
    """Why devices come back without a validation."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What was done about it; the event keeps it."),
    )


class OpenForm(ConfirmForm):
    """What is to be repaired, and why."""

    devices = forms.CharField(
        label=_("Devices"),
        max_length=128,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Their indexes, like 0, 3. Empty: the node as a whole."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The event keeps it."),
    )

    def clean_devices(self) -> list[int]:
        """Return the indexes."""
        parts = [part.strip() for part in self.cleaned_data["devices"].split(",") if part.strip()]
        numbers = [0 if part.strip("0") == "" else whole(part) for part in parts]
        if None in numbers:
            raise ValidationError(_("Enter numbers, separated by commas."))
        return [number for number in numbers if number is not None]
