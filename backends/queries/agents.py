"""Agents: silence, sessions, open orders."""

from collections.abc import Collection
from datetime import UTC, datetime
from math import floor
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from backends.choices import OPEN_ORDERS, BackendStatus, DeviceStatus
from backends.models import Agent, Backend, Device, ManagerPresence, Order

EVER = datetime(1970, 1, 1, tzinfo=UTC)


def grace_start(now: datetime, last_sign: datetime | None = None) -> datetime | None:
    """Return the time from which silence counts, or None while no manager is serving.

    It is the later one of `last_sign` and the time since when a manager has been serving.
    """
    return _grace_start(ManagerPresence.objects.filter(pk=1).first(), now, last_sign)


def _grace_start(presence: ManagerPresence | None, now: datetime, last_sign: datetime | None = None) -> datetime | None:
    if presence is None or now - presence.seen > settings.MOREH_PRESENCE_GAP:
        return None
    return max(presence.since, last_sign) if last_sign else presence.since


def silence_cutoff(now: datetime) -> datetime:
    """Return the time since when an agent must have reported, else it counts as silent.

    After an outage in which an older database may have been restored (ADR 22) it must have reported since then.
    """
    presence = ManagerPresence.objects.filter(pk=1).first()
    start = _grace_start(presence, now)
    cutoff = now - settings.MOREH_SILENT_AFTER
    known_from = presence.outage_noticed_at if presence else None
    return max(EVER if start is None or start > cutoff else cutoff, known_from or EVER)


def is_reporting(now: datetime) -> Q:
    """Return a filter on Backend for nodes whose agents are not silent at this moment."""
    return Q(agent__last_seen__gte=silence_cutoff(now))


def is_old(reported_at: datetime | None, now: datetime, reported_off_at: datetime | None) -> bool:
    """Whether a value that an agent reported may be out of date.

    It is when it is older than MOREH_SILENT_AFTER, or than the power reading that found the node off.
    """
    if reported_at is None or now - reported_at > settings.MOREH_SILENT_AFTER:
        return True
    return reported_off_at is not None and reported_at < reported_off_at


def old_in(reported_at: datetime | None, now: datetime) -> int:
    """Return in how many seconds a reported value is out of date unless the agent reports again."""
    if reported_at is None:
        return 0
    return max(0, floor((reported_at + settings.MOREH_SILENT_AFTER - now).total_seconds()) + 1)


def lost_backends(now: datetime) -> QuerySet[Backend]:
    """Return backends, not wholly shut down yet, whose agents have been silent for MOREH_NODE_LOST_AFTER.

    Only time in which a manager was serving counts.
    """
    start = grace_start(now)
    cutoff = now - settings.MOREH_NODE_LOST_AFTER
    if start is None or start > cutoff:
        return Backend.objects.none()
    awake = Exists(Device.objects.filter(backend=OuterRef("pk")).exclude(status=DeviceStatus.SHUTDOWN))
    return Backend.objects.live().filter(Q(status=BackendStatus.ACTIVE) | awake, agent__last_seen__lt=cutoff)


def open_orders(backend_ids: list[int]) -> QuerySet[Order]:
    """Return the orders of these nodes that are not settled, oldest first."""
    return Order.objects.filter(backend__in=backend_ids, state__in=OPEN_ORDERS).order_by("created_at", "pk")


def current_sessions(backend_ids: list[int]) -> dict[int, UUID | None]:
    """Return the current session of each of these nodes by its id, deleted nodes left out; None: it has no session."""
    agents = Agent.objects.filter(pk__in=backend_ids, backend__deleted_at__isnull=True)
    return dict(agents.values_list("pk", "session"))


def versions_of_agents() -> list[str]:
    """Return the different versions of the agents of live nodes."""
    known = Agent.objects.filter(backend__deleted_at__isnull=True).exclude(version="").order_by()
    return list(known.values_list("version", flat=True).distinct())


def agents_of_versions(versions: Collection[str]) -> list[tuple[int, str, str]]:
    """Return id and name of the live nodes whose agents have one of these versions, and the version."""
    if not versions:
        return []
    rows = Agent.objects.filter(backend__deleted_at__isnull=True, version__in=versions).order_by("pk")
    return list(rows.values_list("pk", "backend__name", "version"))


def agents_with_skew(least_ms: int) -> list[tuple[int, str, int]]:
    """Return id and name of the live nodes whose clocks are at least so wrong, and how wrong (ms)."""
    wrong = Q(clock_skew_ms__gte=least_ms) | Q(clock_skew_ms__lte=-least_ms)
    rows = Agent.objects.filter(wrong, backend__deleted_at__isnull=True).order_by("pk")
    return [(pk, name, skew or 0) for pk, name, skew in rows.values_list("pk", "backend__name", "clock_skew_ms")]
