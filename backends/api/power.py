"""Answers to power commands: under way, done, or failed."""

import time

from django.utils.translation import gettext as _
from rest_framework.response import Response

from backends.choices import POWER_CAUSES, UNDER_WAY, ActionState
from backends.models import PowerAction
from moreh_cloud.lib.api.failures import failure
from moreh_cloud.lib.api.views import success

LOOK_EVERY = 0.2  # seconds


def answer_power(action: PowerAction, *, wait: int) -> Response:
    """Wait for the end of an action for at most `wait` seconds and tell how far it is."""
    deadline = time.monotonic() + wait
    while action.state in UNDER_WAY and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        action = PowerAction.objects.get(pk=action.pk)
    told = {"id": action.pk, "command": action.command, "state": action.state}
    if action.state in UNDER_WAY:
        return success(told, status=202)
    if action.state == ActionState.SUCCEEDED:
        return success(told)
    message = POWER_CAUSES.get(action.code, _("The BMC did not do it."))
    return failure("IPMI_ERROR", str(message), {**told, "cause": action.code, "detail": action.message})
