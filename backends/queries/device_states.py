"""The meanings of device states, which every page shows with the same word, colour and pattern."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import HELD, DeviceStatus
from core.errors import Message


@dataclass(frozen=True, slots=True)
class Meaning:
    """A word and the devices that it is about. Its name in MEANINGS is its CSS class without `mc-`."""

    word: Message
    devices: Q


MEANINGS: Mapping[str, Meaning] = {
    "used": Meaning(_("in use"), Q(status__in=HELD, drain_to="")),
    "idle": Meaning(_("idle"), Q(status=DeviceStatus.IDLE)),
    "moving": Meaning(
        _("draining or cleaning"), Q(status=DeviceStatus.CLEANING) | Q(status__in=HELD) & ~Q(drain_to="")
    ),
    "kept": Meaning(_("kept out"), Q(status=DeviceStatus.BUSY)),
    "out": Meaning(_("shut down"), Q(status=DeviceStatus.SHUTDOWN)),
}
PLAIN: Mapping[str, str] = {
    DeviceStatus.PREPARING: "used",
    DeviceStatus.PROCESSING: "used",
    DeviceStatus.IDLE: "idle",
    DeviceStatus.CLEANING: "moving",
    DeviceStatus.BUSY: "kept",
    DeviceStatus.SHUTDOWN: "out",
}


def meaning_of(status: str, drain_to: str) -> str:
    """Return the name in MEANINGS of a device's state."""
    return "moving" if drain_to and status in HELD else PLAIN[status]
