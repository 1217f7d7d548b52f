"""Power commands for nodes with jobs: drain the node, then carry the command out."""

from django.db import transaction

from backends.choices import DISRUPTIVE, PowerVerb
from backends.models import Backend, Bmc, PowerAction
from backends.services.power import DrainFirst, request_power
from core.errors import InvalidParameter
from events.actor import Actor
from scheduler.services.nodes import drain_backend


@transaction.atomic
def drain_then(
    backend: Backend, verb: PowerVerb, drain: DrainFirst, *, actor: Actor, user: str = "", password: str = ""
) -> PowerAction:
    """Drain a node and create the power action that begins when its last job has ended.

    The drain stays after the action, and after its cancelation: activating the node ends it, or the end of the
    maintenance that had drained it before. Raises InvalidParameter
    for a command that needs no drain, and what `request_power` raises.
    """
    if verb not in DISRUPTIVE:
        raise InvalidParameter(parameter="drain")
    list(Bmc.objects.select_for_update().filter(backend=backend).values_list("pk"))  # before the devices
    drain_backend(backend, actor=actor, after_maintenance=False)
    return request_power(backend, verb, actor=actor, user=user, password=password, drain=drain)
