from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class ChannelKind(models.TextChoices):
    """How a channel delivers."""

    MAIL = "MAIL", _("mail")
    WEBHOOK = "WEBHOOK", _("signed webhook")
    SLACK = "SLACK", _("Slack-compatible webhook")


class Language(models.TextChoices):
    """The language of a channel's messages."""

    ENGLISH = "en", "English"
    KOREAN = "ko", "한국어"


class DeliveryState(models.TextChoices):
    """State of a delivery."""

    PENDING = "PENDING", _("waiting")
    SENDING = "SENDING", _("being sent")
    SENT = "SENT", _("sent")
    FAILED = "FAILED", _("given up")
    CANCELED = "CANCELED", _("canceled")


State = DeliveryState
# SENDING lasts from the first attempt to the last. An operator may have what has ended sent again.
DELIVERY_TRANSITIONS = Transitions(
    {
        State.PENDING: {State.SENDING, State.FAILED, State.CANCELED},
        State.SENDING: {State.SENT, State.FAILED, State.CANCELED},
        State.SENT: {State.SENDING},
        State.FAILED: {State.SENDING},
        State.CANCELED: set(),
    }
)
UNDER_WAY = (State.PENDING, State.SENDING)


class DeliveryStatus(models.TextChoices):
    """What people see of a delivery: its state and, while it is under way, what it waits for."""

    WAITING = "WAITING", _("waiting")
    SENDING = "SENDING", _("being sent")
    RETRY = "RETRY", _("will be tried again")
    CHANNEL_OFF = "CHANNEL_OFF", _("its channel is switched off")
    SENT = "SENT", _("sent")
    FAILED = "FAILED", _("given up")
    CANCELED = "CANCELED", _("canceled")


class ChannelStatus(models.TextChoices):
    """What people see of a channel. A failed test counts, too."""

    DELETED = "DELETED", _("deleted")
    OFF = "OFF", _("switched off")
    FAILING = "FAILING", _("failing")
    LAST_FAILED = "LAST_FAILED", _("last attempt failed")
    UNTRIED = "UNTRIED", _("not tried yet")
    QUIET = "QUIET", _("not tried lately")
    WORKS = "WORKS", _("works")


class AttemptResult(models.TextChoices):
    """What came of an attempt to send a message."""

    OK = "OK", _("accepted")
    REFUSED = "REFUSED", _("refused")
    REDIRECT = "REDIRECT", _("answered with a redirect, which is not followed")
    TIMEOUT = "TIMEOUT", _("no whole answer in time")
    UNREACHABLE = "UNREACHABLE", _("not reachable")
    UNKNOWN_HOST = "UNKNOWN_HOST", _("the host's name is not known")
    NOT_ALLOWED = "NOT_ALLOWED", _("the address is not allowed")
    UNTRUSTED = "UNTRUSTED", _("the certificate is not trusted")
    BROKEN = "BROKEN", _("the connection was closed before the answer was whole")
    GARBAGE = "GARBAGE", _("the answer is not what the protocol says")
    NOT_RENDERED = "NOT_RENDERED", _("the message could not be made")
    NO_SECRET = "NO_SECRET", _("the stored secret cannot be read")
