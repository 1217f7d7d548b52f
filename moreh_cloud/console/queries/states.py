"""What the states of devices mean: one colour, one pattern and one word each, the same on every page."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backends.choices import HELD, DeviceStatus
from moreh_cloud.lib.errors import Message


@dataclass(frozen=True, slots=True)
class Meaning:
    """A word, and which devices it is about; the name is the class in the style sheet without `mc-`."""

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
    """Say what a device's state means, as MEANINGS would find it."""
    return "moving" if drain_to and status in HELD else PLAIN[status]
