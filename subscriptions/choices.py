from django.db import models
from django.utils.translation import gettext_lazy as _


class EventKind(models.TextChoices):
    """What a subscription is told of."""

    JOB = "JOB", _("jobs")
    SDA = "SDA", _("SDAs")
    TOKEN = "TOKEN", _("tokens")
    USAGE = "USAGE", _("closed usage")
    ALERT = "ALERT", _("alerts")


# The subjects of the event log by which a kind is known; alerts are not in the log, but announced by their app.
PREFIXES = {
    EventKind.JOB: "job/",
    EventKind.SDA: "sda/",
    EventKind.TOKEN: "token/",
    EventKind.USAGE: "usage/",
}
EVENTS = "events"  # the kind of message
