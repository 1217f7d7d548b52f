from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from backends.choices import OPEN_ORDERS, UNDER_WAY, BackendStatus, DeviceStatus, PowerStatus
from backends.models import Agent, Backend, BackendGroup, Bmc, Device, ManagerPresence, Order, PowerAction
from moreh_cloud.lib.crypto import digest
from moreh_cloud.lib.errors import NotFound, Unauthenticated

EVER = datetime(1970, 1, 1, tzinfo=UTC)


def live_backends() -> QuerySet[Backend]:
    """Give every backend that was not deleted, with all that a list shows of it."""
    return Backend.objects.live().select_related("group", "bmc", "agent").prefetch_related("devices__telemetry")


def live_backend_groups() -> QuerySet[BackendGroup]:
    return BackendGroup.objects.live()


def get_backend(pk: int) -> Backend:
    """Find a live backend. Raises NotFound."""
    backend: Backend | None = live_backends().filter(pk=pk).first()
    if backend is None:
        raise NotFound(id=pk)
    return backend


def authenticate_node(key: str) -> Backend:
    """Find the node that presents this key. Raises Unauthenticated."""
    backend: Backend | None = Backend.objects.live().filter(key_digest=digest(key)).first()
    if backend is None:
        raise Unauthenticated(_("This node key is not known."))
    return backend


def grace_start(now: datetime, last_sign: datetime | None = None) -> datetime | None:
    """Give the moment from which somebody's silence counts, or None while no manager is serving."""
    presence = ManagerPresence.objects.filter(pk=1).first()
    if presence is None or now - presence.seen > settings.MOREH_PRESENCE_GAP:
        return None
    return max(presence.since, last_sign) if last_sign else presence.since


def heard_from(now: datetime) -> datetime:
    """Give since when an agent must have spoken for its node to count as there at this moment."""
    start = grace_start(now)
    cutoff = now - settings.MOREH_SILENT_AFTER
    return EVER if start is None or start > cutoff else cutoff


def heard(now: datetime) -> Q:
    """Tell, as a filter on Backend, which nodes are not silent at this moment."""
    return Q(agent__last_seen__gte=heard_from(now))


def lost_backends(now: datetime) -> QuerySet[Backend]:
    """Give backends, not wholly shut down yet, whose agents have been silent for MOREH_NODE_LOST_AFTER.

    Only time in which a manager listened counts.
    """
    start = grace_start(now)
    cutoff = now - settings.MOREH_NODE_LOST_AFTER
    if start is None or start > cutoff:
        return Backend.objects.none()
    awake = Exists(Device.objects.filter(backend=OuterRef("pk")).exclude(status=DeviceStatus.SHUTDOWN))
    return Backend.objects.live().filter(Q(status=BackendStatus.ACTIVE) | awake, agent__last_seen__lt=cutoff)


def memory_of_a_device(group_id: int) -> int:
    """Give how much memory (MiB) a device of the group has, going by any that was seen; 0 when none was."""
    seen = Device.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True, total_memory__gt=0)
    return seen.order_by().values_list("total_memory", flat=True).first() or 0


def open_orders(backend_ids: list[int]) -> QuerySet[Order]:
    """Give the orders that these nodes have still to carry out, oldest first."""
    return Order.objects.filter(backend__in=backend_ids, state__in=OPEN_ORDERS).order_by("created_at", "pk")


def speakers(backend_ids: list[int]) -> dict[int, UUID | None]:
    """Give the session of the stream that speaks for each of these nodes; deleted nodes are left out."""
    agents = Agent.objects.filter(pk__in=backend_ids, backend__deleted_at__isnull=True)
    return dict(agents.values_list("pk", "session"))


def bmcs_to_check(before: datetime) -> QuerySet[Bmc]:
    """Give the BMCs whose state was last seen before this time (or never), the stalest first."""
    stale = Q(checked_at__lt=before) | Q(checked_at__isnull=True)
    return Bmc.objects.filter(stale, backend__deleted_at__isnull=True).order_by("checked_at")


def due_actions(now: datetime) -> list[int]:
    """Give the power actions that nobody holds, oldest first."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    return list(PowerAction.objects.filter(free, state__in=UNDER_WAY).order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class BmcCounts:
    """How many BMCs were last seen on or off, and how many do not answer; when one was last looked at."""

    on: int
    off: int
    unreachable: int
    driver_lost: bool
    latest: datetime | None


def bmc_counts() -> BmcCounts:
    """Count BMCs by what was last seen of them, in one query."""
    answers = Q(error="")
    found = Bmc.objects.filter(backend__deleted_at__isnull=True).aggregate(
        all=Count("pk"),
        on=Count("pk", filter=answers & Q(status=PowerStatus.ON)),
        off=Count("pk", filter=answers & Q(status=PowerStatus.OFF)),
        lost=Count("pk", filter=Q(error="DRIVER_LOST")),
        latest=Max("checked_at"),
    )
    rest = found["all"] - found["on"] - found["off"]
    return BmcCounts(found["on"], found["off"], rest, 0 < found["all"] == found["lost"], found["latest"])


def bmcs_to_probe(most: int) -> list[Bmc]:
    """Give some BMCs that answer and of which it is not known whether they let strangers in."""
    unknown = Bmc.objects.filter(weak=None, error="", backend__deleted_at__isnull=True)
    return list(unknown.exclude(status=PowerStatus.UNKNOWN).order_by("pk")[:most])
