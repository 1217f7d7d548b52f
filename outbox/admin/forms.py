"""The form of channels. What was typed as address and secret stays after an error; stored ones are never shown."""

import re
from collections.abc import Mapping, Sequence
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
from outbox.choices import ChannelKind
from outbox.models import Channel
from outbox.sending.targets import LONGEST
from outbox.services.channels import MOST_KEEP_HOURS

UNREADABLE = _("The stored one cannot be decrypted. Set it anew.")
KEEP = _("Stored encrypted and never shown. Empty: unchanged.")


OF_KIND: Mapping[str, Sequence[str]] = {
    ChannelKind.MAIL: ("recipients",),
    ChannelKind.WEBHOOK: ("new_url", "new_secret"),
    ChannelKind.SLACK: ("new_url",),
}
OF_CHANNEL = ("new_url", "new_secret", "recipients")


class RecipientsField(forms.CharField):
    """Mail addresses, one in each line, or with commas or semicolons between them."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the addresses as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the addresses."""
        return [one.strip() for one in re.split(r"[\r\n,;]", str(value or "")) if one.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the addresses differ."""
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class ChannelForm(RowForm):
    """A channel; its kind is asked for only once. What its kind does not have is hidden, and not read."""

    use_required_attribute = False  # a hidden field would keep browsers from sending the form

    new_url = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "off"}, render_value=True),
        help_text=_("Of webhooks: where they are posted to. Stored encrypted and never shown."),
    )
    new_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=128,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}, render_value=True),
        help_text=_("Of signed webhooks: whsec_ and base64. Empty: a new one, which is shown once."),
    )
    recipients = RecipientsField(
        label=_("Recipients"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Of mail: addresses, one in each line."),
    )

    class Meta:
        model = Channel
        fields = ("name", "kind", "language", "enabled", "recipients")
        help_texts = {"enabled": _("What is due while it is off waits, for at most a day.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields["kind"].initial = ChannelKind.MAIL
            kind = self.data.get("kind", ChannelKind.MAIL)
            for name in ("new_url", "recipients"):
                self.fields[name].required = not self.is_bound or name in OF_KIND.get(kind, ())
            return
        for name in {*OF_CHANNEL} - {*OF_KIND.get(self.instance.kind, ())}:
            self.fields.pop(name, None)
        damaged = unreadable_secrets(self.instance)
        for name in ("url", "secret"):
            if f"new_{name}" in self.fields:  # read-only pages have no fields
                self.fields[f"new_{name}"].help_text = UNREADABLE if name in damaged else KEEP

    def clean(self) -> dict[str, Any]:
        """Leave out what the kind does not have: its fields are hidden."""
        data: dict[str, Any] = super().clean() or {}
        own = OF_KIND.get(data.get("kind") or self.instance.kind, OF_CHANNEL)
        return {name: value for name, value in data.items() if name in own or name not in OF_CHANNEL}


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
