"""Nodes of the past, which are stored so that imported history can name their devices."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import MAX_DEVICES, BackendStatus
from backends.models import Backend, BackendGroup, Device
from core.crypto import digest, new_secret
from core.errors import InvalidParameter
from events.actor import Actor
from events.services import record

NOWHERE = "127.0.0.1"


@transaction.atomic
def add_past_nodes(
    nodes: Mapping[str, int], group: BackendGroup, start: datetime, end: datetime, *, actor: Actor
) -> None:
    """Store nodes, by name with their number of devices, as deleted nodes of a group that existed from start to end.

    They have no agent and no BMC. Raises InvalidParameter.
    """
    for name, devices in nodes.items():
        if len(name) > 128 or not 0 <= devices <= MAX_DEVICES:
            raise InvalidParameter(_("A node has a name of at most 128 characters and 0 to 32 devices."), nodes=name)
    gone = {"group": group, "ip": NOWHERE, "status": BackendStatus.SHUTDOWN, "deleted_at": end}
    rows = [Backend(name=name, key_digest=digest(new_secret()), **gone) for name in nodes]
    backends = Backend.objects.bulk_create(rows, batch_size=1000)
    spots = ((backend, index) for backend in backends for index in range(nodes[backend.name]))
    Device.objects.bulk_create(
        (Device(backend=backend, index=index, created_at=start) for backend, index in spots), batch_size=2000
    )
    # One event for all nodes: one for each of ten thousand would hide the events that matter.
    record(
        "ADD_PAST_NODES",
        actor=actor,
        subject=f"backendgroup/{group.pk}",
        nodes=len(nodes),
        devices=sum(nodes.values()),
    )
