"""Usage to be billed, as it lies in the past."""

from datetime import datetime

from scheduler.models import Allocation
from sda.models import Sda
from tests import make


def hold(sda: Sda, start: datetime, end: datetime, device_model: str = "MI250") -> Allocation:
    """Let a reserved SDA have held a device of its own; no roll-up knows it yet."""
    device = make.backend(1, device_model=device_model).devices.get()
    times = {"started_at": start, "ended_at": end}
    made: Allocation = Allocation.objects.create(sda=sda, sda_model=sda.model, token=sda.token, device=device, **times)
    return made
