"""Devices held at times that a test names, without jobs having to run."""

from datetime import UTC, datetime, timedelta

from backends.models import Backend, Device
from scheduler.models import Allocation
from sda.models import Sda
from tests import make
from tokens.models import Token

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NINE = datetime(2024, 3, 11, 9, tzinfo=UTC)  # 18:00 in Seoul, the zone of the installation


def hold(
    owner: Token | Sda, node: Backend, start: datetime, end: datetime | None, *, index: int = 0, with_job: bool = True
) -> Allocation:
    """Let a token (or one SDA of it) hold one device of a node, by a job or as a reserved SDA does.

    The device was there before.
    """
    sda = owner if isinstance(owner, Sda) else owner.sdas.first() or make.sda(owner=owner)
    job = make.job(sda) if with_job else None
    device = Device.objects.get(backend=node, index=index)
    Device.objects.filter(pk=device.pk, created_at__gt=start).update(created_at=start)
    times = {"started_at": start, "ended_at": end}
    return Allocation.objects.create(sda=sda, token=sda.token, device=device, job=job, **times)
