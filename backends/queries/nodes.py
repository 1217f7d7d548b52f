"""Nodes and their groups."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from backends.models import Backend, BackendGroup
from core.crypto import digest
from core.errors import Unauthenticated


def live_backends() -> QuerySet[Backend]:
    """Return every backend that was not deleted, with its group, BMC, agent, devices and their telemetry."""
    return Backend.objects.live().select_related("group", "bmc", "agent").prefetch_related("devices__telemetry")


def racks_of(group_id: int) -> dict[int, str]:
    """Return the racks of the nodes of a group by node, without nodes whose rack is unknown."""
    known = Backend.objects.live().filter(group=group_id).exclude(rack="").order_by()
    return dict(known.values_list("pk", "rack"))


def live_backend_groups() -> QuerySet[BackendGroup]:
    """Return every backend group that was not deleted."""
    return BackendGroup.objects.live()


def authenticate_node(key: str) -> Backend:
    """Return the node with this key. Raises Unauthenticated."""
    backend: Backend | None = Backend.objects.live().filter(key_digest=digest(key)).first()
    if backend is None:
        raise Unauthenticated(_("This node key is not known."))
    return backend


def authenticate_nodes(keys: Iterable[str]) -> dict[str, Backend]:
    """Return the nodes with these keys, by key, in one query; unknown keys are left out."""
    by_digest = {digest(key): key for key in keys}
    found = Backend.objects.live().filter(key_digest__in=by_digest)
    return {by_digest[backend.key_digest]: backend for backend in found}
