"""The power actions of nodes in the admin."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from backends.admin.forms import PowerForm
from backends.choices import DISRUPTIVE, PowerVerb
from backends.errors import NoBmc
from backends.models import Backend
from backends.services.power import DrainFirst, request_power
from core.admin import confirmed
from core.clock import db_now
from events.actor import Actor
from scheduler.services.power import drain_then

POWER = (
    "power_status",
    "power_on",
    "power_off",
    "power_soft",
    "power_cycle",
    "power_reset",
    "power_reconnect",
    "power_read",
    "power_clear_log",
)
WITHOUT_BMC = (Q(bmc__ip=None), NoBmc.message)


def _power(verb: PowerVerb, explanation: Any, *, icon: str, dangerous: bool = False) -> Any:
    def power_action(_self: Any, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        if data.get("drain"):
            until = db_now() + timedelta(minutes=data.get("drain_minutes") or 60)
            drain_then(row, verb, DrainFirst(until, force=data.get("drain_force", False)), actor=actor)
        else:
            request_power(row, verb, actor=actor, force=data.get("force", False))

    power_action.__name__ = f"power_{verb.value}"
    form = {"form": PowerForm} if verb in DISRUPTIVE else {}
    options = {"explanation": explanation, "icon": icon, "dangerous": dangerous, "unless": WITHOUT_BMC}
    return confirmed(capfirst(verb.label), **options, **form)(power_action)  # type: ignore[arg-type]


class NodePowerActions:
    """An action for each power command; those that end jobs or delete a log are dangerous."""

    power_status = _power(PowerVerb.STATUS, _("The BMC is asked for the power state now."), icon="visibility")
    power_on = _power(PowerVerb.ON, _("The node is powered on."), icon="power")
    power_off = _power(
        PowerVerb.OFF, _("The node loses power at once; what runs on it is lost."), icon="power_off", dangerous=True
    )
    power_soft = _power(
        PowerVerb.SOFT, _("The operating system is asked to shut down (ACPI)."), icon="mode_off_on", dangerous=True
    )
    power_cycle = _power(
        PowerVerb.CYCLE,
        _("The node is powered off and, once it is off, powered on again."),
        icon="cycle",
        dangerous=True,
    )
    power_reset = _power(
        PowerVerb.RESET,
        _("The reset is sent once and never repeated. If it cannot be confirmed, its outcome stays unknown."),
        icon="restart_alt",
        dangerous=True,
    )
    power_read = _power(
        PowerVerb.READ, _("The BMC is asked for its sensors and for new entries of its event log now."), icon="sensors"
    )
    power_clear_log = _power(
        PowerVerb.CLEAR_LOG,
        _("Entries that are not stored yet are stored; then the BMC deletes its log. Stored entries stay."),
        icon="delete_sweep",
        dangerous=True,
    )
    power_reconnect = _power(PowerVerb.RECONNECT, _("The BMC's login is tried again."), icon="key")
