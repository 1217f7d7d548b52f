"""Why a power action waits, and until when."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from backends.choices import CANCELABLE, ActionState
from backends.models import Backend, PowerAction
from core.errors import Message, NotFound

TEXTS: dict[str, Message] = {
    "DRAIN": _("waits for the last job of the node to end, at most until %(until)s; then it is given up"),
    "DRAIN_FORCE": _("waits for the last job of the node to end, at most until %(until)s; then jobs are lost"),
    "TURN": _("waits for its turn among the power-ons of the group, at %(until)s"),
    "WORKER": _("waits for a power worker"),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The code of a reason (a key of TEXTS), and until when the action waits for it, if that is known."""

    code: str
    until: datetime | None = None


def waiting_of(action: PowerAction, now: datetime) -> Waiting | None:
    """Return why an action waits, None if it has begun or is over."""
    if action.state == ActionState.DRAINING:
        return Waiting("DRAIN_FORCE" if action.drain_force else "DRAIN", action.drain_until)
    if action.state != ActionState.QUEUED:
        return None
    if action.power_on_at and action.power_on_at > now:
        return Waiting("TURN", action.power_on_at)
    return Waiting("WORKER")


def waiting_action(backend: Backend) -> PowerAction:
    """Return the power action of a node that has not begun, the one that waits for its drain first. Raises NotFound."""
    waiting = PowerAction.objects.filter(backend=backend, state__in=CANCELABLE)
    found = sorted(waiting, key=lambda action: CANCELABLE.index(ActionState(action.state)))
    if not found:
        raise NotFound(id=backend.pk)
    return found[0]
