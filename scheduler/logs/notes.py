"""What readers are told about an output beside its text."""

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduler.logs.reading import WorkerLog


def gap_note(log: WorkerLog) -> str:
    """Return how much is missing before a piece, as a sentence; empty if nothing is."""
    if not log.missing:
        return ""
    text = ngettext("%(count)s byte is not kept any more.", "%(count)s bytes are not kept any more.", log.missing)
    return text % {"count": f"{log.missing:,}"}


def problem_note(log: WorkerLog) -> str:
    """Return why a piece does not come from its node, and of when it is; empty if it does come from there."""
    return " ".join(filter(None, (str(log.problem.label) if log.problem else "", _kept(log))))


def _kept(log: WorkerLog) -> str:
    if log.kept_at is None:
        return ""
    return _("This is the last output that the server has, of %(at)s.") % {
        "at": f"{timezone.localtime(log.kept_at):%Y-%m-%d %H:%M:%S %Z}"
    }
