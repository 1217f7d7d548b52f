"""The form of channels. Address and secret can be set, but are never shown."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminTextareaWidget,
)

from core.admin import ConfirmForm, RowForm
from core.admin.actions import force_field
from core.crypto import unreadable_secrets
from outbox.models import Channel
from outbox.sending.targets import LONGEST
from outbox.services.channels import MOST_KEEP_HOURS

UNREADABLE = _("The stored one cannot be decrypted. Set it anew.")
KEEP = _("Stored encrypted and never shown. Empty: unchanged.")


class RecipientsField(forms.CharField):
    """Mail addresses, one in each line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the addresses as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines that are not empty."""
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the addresses differ."""
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class ChannelForm(RowForm):
    """A channel; its kind is asked for only once."""

    new_url = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "off"}),
        help_text=_("Of webhooks: where they are posted to. Stored encrypted and never shown."),
    )
    new_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=128,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Of signed webhooks: whsec_ and base64. Empty: a new one, which is shown once."),
    )
    recipients = RecipientsField(
        label=_("Recipients"), required=False, strip=False, help_text=_("Of mail: addresses, one in each line.")
    )

    class Meta:
        model = Channel
        fields = ("name", "kind", "language", "enabled", "recipients")
        help_texts = {"enabled": _("What is due while it is off waits, for at most a day.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        damaged = unreadable_secrets(self.instance)
        for name in ("url", "secret"):
            if f"new_{name}" in self.fields:  # read-only pages have no fields
                self.fields[f"new_{name}"].help_text = UNREADABLE if name in damaged else KEEP


class DeleteChannelForm(ConfirmForm):
    """The confirmation of a deletion."""

    force = force_field(
        _("Even if rules are left without a channel"),
        _("Nobody hears of their alerts then. Otherwise the channel is not deleted."),
    )


class SecretForm(ConfirmForm):
    """How long the old secret stays valid beside a new one."""

    keep_hours = forms.IntegerField(
        label=_("The old one stays valid for (hours)"),
        min_value=0,
        max_value=MOST_KEEP_HOURS,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("0 to 168. 0: it ends at once, as it must when a stranger knows it."),
    )
