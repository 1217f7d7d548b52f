"""Nodes that were: written down so that history can name their devices."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import BackendStatus
from backends.models import Backend, BackendGroup, Device
from backends.models.nodes import MAX_DEVICES
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.crypto import digest, new_secret
from moreh_cloud.lib.errors import InvalidParameter

NOWHERE = "127.0.0.1"


@transaction.atomic
def add_past_nodes(
    nodes: Mapping[str, int], group: BackendGroup, start: datetime, end: datetime, *, actor: Actor
) -> None:
    """Write nodes, by name with their number of devices, as tombstones of a group that were there from start to end.

    Raises InvalidParameter. They have no agent and no BMC: as live nodes each would be asked for
    its power, and raise an alert.
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
    # One event for all: nobody did anything to the single node, and ten thousand lines would bury those that matter.
    record(
        "ADD_PAST_NODES",
        actor=actor,
        subject=f"backendgroup/{group.pk}",
        nodes=len(nodes),
        devices=sum(nodes.values()),
    )
