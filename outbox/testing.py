"""The test message, with which operators try a channel."""

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outbox.rendering import MessageKind, Payloads, Rendered, register_kind

TEST = "test"


def _render(payloads: Payloads, _language: str) -> Rendered:
    channel = str(payloads[0].get("channel", ""))
    subject = _("Test of the channel %(channel)s") % {"channel": channel}
    text = _("This is a test message from Moreh Cloud (%(url)s). Nothing has happened.")
    return Rendered(subject, text % {"url": settings.MOREH_PUBLIC_URL}, {"channel": channel})


register_kind(
    MessageKind(TEST, gettext_lazy("test message"), _render, lambda: ({"channel": "on-call"},), attempted_once=True)
)
