"""The responses to power commands: under way, succeeded or failed."""

import time

from django.utils.translation import gettext as _
from rest_framework.response import Response

from backends.choices import NOT_OVER, POWER_CAUSES, ActionState
from backends.models import PowerAction
from backends.queries.waiting import waiting_of
from core.api.failures import failure
from core.api.times import iso
from core.api.views import success
from core.clock import db_now

POLL_EVERY = 0.2  # seconds


def power_response(action: PowerAction, *, wait: int) -> Response:
    """Wait at most `wait` seconds for the end of an action and return a response with its state."""
    deadline = time.monotonic() + wait
    while action.state in NOT_OVER and time.monotonic() < deadline:
        time.sleep(POLL_EVERY)
        action = PowerAction.objects.get(pk=action.pk)
    waiting = waiting_of(action, db_now())
    details = {
        "id": action.pk,
        "command": action.command,
        "state": action.state,
        "waitsFor": waiting and waiting.code,
        "waitsUntil": iso(waiting.until) if waiting else None,
    }
    if action.state in NOT_OVER:
        return success(details, status=202)
    if action.state in (ActionState.SUCCEEDED, ActionState.CANCELED):
        return success(details)
    message = POWER_CAUSES.get(action.code, _("The BMC did not do it."))
    return failure("IPMI_ERROR", str(message), {**details, "cause": action.code, "detail": action.message})
