from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class NoticeState(models.TextChoices):
    """What a rule has said of an alert."""

    HELD = "HELD", _("held back")
    NOTIFIED = "NOTIFIED", _("told")
    RESOLVED = "RESOLVED", _("told that it is over")
    DROPPED = "DROPPED", _("over before it was told")


State = NoticeState
NOTICE_TRANSITIONS = Transitions(
    {
        State.HELD: {State.NOTIFIED, State.DROPPED, State.RESOLVED},  # over, after its rise was held back
        State.NOTIFIED: {State.RESOLVED, State.HELD},  # its level rises while it may not be told
        State.RESOLVED: set(),
        State.DROPPED: set(),
    }
)


class Weekday(models.TextChoices):
    """A day of the week, named as in cron."""

    MON = "MON", _("Monday")
    TUE = "TUE", _("Tuesday")
    WED = "WED", _("Wednesday")
    THU = "THU", _("Thursday")
    FRI = "FRI", _("Friday")
    SAT = "SAT", _("Saturday")
    SUN = "SUN", _("Sunday")


class Preset(models.TextChoices):
    """What a beginner may want to hear of, without knowing the categories."""

    NODES = "NODES", _("A node is lost, silent or cannot be repaired")
    GPUS = "GPUS", _("A GPU is sick, too hot, or there are too few")
    JOBS = "JOBS", _("Jobs fail by our fault")
    POWER = "POWER", _("A BMC cannot be reached or is not safe")
    BUDGETS = "BUDGETS", _("A budget is nearly or wholly spent")
    CRITICAL = "CRITICAL", _("Everything critical")
    ALL = "ALL", _("Everything")
