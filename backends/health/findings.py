"""Every finding about a device: how severe it is, what verdict it leads to, and what it means for an operator.

The codes of agents are those of the message HealthFact; an XID error of NVIDIA's driver has an entry of its own, like
XID_79, where its number decides. Sources: NVIDIA's catalogue of XID errors and its notes on memory errors, and AMD's
documentation of RAS. docs/health.md shows this table.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from alerts.choices import Level
from backends.choices import Verdict
from core.errors import Message


class Source(StrEnum):
    """Who finds it, and so who knows when it is over."""

    AGENT = "agent"
    SERVER = "server"


class Kind(NamedTuple):
    """What a finding means."""

    level: Level
    verdict: Verdict
    meaning: Message
    source: Source = Source.AGENT


NOTICE, WARNING, CRITICAL = Level.NOTICE, Level.WARNING, Level.CRITICAL
HEALTHY, SUSPECT, FAILED = Verdict.HEALTHY, Verdict.SUSPECT, Verdict.FAILED
XID = "XID"

FINDINGS: Mapping[str, Kind] = {
    # XID errors that programs cause, or that follow from another error
    "XID_13": Kind(NOTICE, HEALTHY, _("A program made the GPU execute something that is not allowed.")),
    "XID_31": Kind(NOTICE, HEALTHY, _("A program accessed memory that it does not have.")),
    "XID_43": Kind(NOTICE, HEALTHY, _("A program was stopped because its GPU work failed.")),
    "XID_45": Kind(NOTICE, HEALTHY, _("A program was removed from the GPU after another error.")),
    "XID_69": Kind(NOTICE, HEALTHY, _("A program used the GPU in a way that its class does not allow.")),
    # XID errors of the hardware or its firmware
    "XID_48": Kind(CRITICAL, FAILED, _("A memory error could not be corrected.")),
    "XID_62": Kind(WARNING, SUSPECT, _("A microcontroller of the GPU has halted. A reset is needed.")),
    "XID_63": Kind(WARNING, SUSPECT, _("A row or page of memory was marked to be replaced at the next reset.")),
    "XID_64": Kind(CRITICAL, FAILED, _("A row or page of memory could not be replaced.")),
    "XID_74": Kind(WARNING, SUSPECT, _("An NVLink connection has errors.")),
    "XID_79": Kind(CRITICAL, FAILED, _("The GPU has fallen off the bus. Check its seat, power and cooling.")),
    "XID_92": Kind(WARNING, SUSPECT, _("Many memory errors were corrected in a short time.")),
    "XID_94": Kind(WARNING, SUSPECT, _("A memory error was contained: only the program concerned was stopped.")),
    "XID_95": Kind(CRITICAL, FAILED, _("A memory error was not contained. The GPU must be reset before it is used.")),
    "XID_119": Kind(WARNING, SUSPECT, _("The system processor of the GPU did not answer in time.")),
    "XID_120": Kind(WARNING, SUSPECT, _("The system processor of the GPU has failed.")),
    "XID_140": Kind(CRITICAL, FAILED, _("A memory error could not be recovered.")),
    XID: Kind(NOTICE, HEALTHY, _("NVIDIA's driver logged an error. NVIDIA's catalogue explains its number.")),
    # Memory
    "ECC_UNCORRECTABLE": Kind(CRITICAL, FAILED, _("Memory errors could not be corrected since the driver was loaded.")),
    "ECC_UNCORRECTABLE_LIFETIME": Kind(
        NOTICE, HEALTHY, _("Memory errors could not be corrected at some time in the life of the card.")
    ),
    "ROW_REMAP_PENDING": Kind(WARNING, SUSPECT, _("Rows of memory are replaced at the next reset.")),
    "ROW_REMAP_FAILED": Kind(CRITICAL, FAILED, _("A row of memory could not be replaced. The card must be exchanged.")),
    "PAGES_PENDING": Kind(WARNING, SUSPECT, _("Pages of memory are taken out of use at the next reset.")),
    "PAGES_UNRESERVABLE": Kind(WARNING, SUSPECT, _("Bad pages of memory could not be taken out of use.")),
    # Heat, power and links
    "THERMAL_SLOWDOWN": Kind(WARNING, SUSPECT, _("The hardware slows itself down because it is too hot.")),
    "POWER_BRAKE": Kind(WARNING, SUSPECT, _("The hardware slows itself down because the power supply asks for it.")),
    "LINK_ERRORS": Kind(WARNING, SUSPECT, _("A link to another device has errors.")),
    # The device as a whole
    "LOST": Kind(CRITICAL, FAILED, _("The driver no longer reaches the device.")),
    "RESET_REQUIRED": Kind(CRITICAL, FAILED, _("The driver says that the device must be reset.")),
    # What the server finds
    "SILENT": Kind(WARNING, SUSPECT, _("The node reports, but no values of the device for a while."), Source.SERVER),
    "FROZEN": Kind(WARNING, SUSPECT, _("It is in use, but its values have not changed for a while."), Source.SERVER),
    "JOB_FAILURES": Kind(
        WARNING, SUSPECT, _("Workers fail again and again on it, but not on others of its node."), Source.SERVER
    ),
    "VANISHED": Kind(CRITICAL, FAILED, _("The agent no longer sees the device."), Source.SERVER),
    "NOT_CLEANED": Kind(CRITICAL, FAILED, _("The agent could not clean the device after a job."), Source.SERVER),
    "CHECK_FAILED": Kind(CRITICAL, FAILED, _("The device failed the health check."), Source.SERVER),
}  # fmt: skip
REPORTED = frozenset(
    XID if code.startswith("XID_") else code for code, kind in FINDINGS.items() if kind.source is Source.AGENT
)
"""The codes that agents report, and whose end they report by leaving them out."""
CODES = sorted(REPORTED | {code for code, kind in FINDINGS.items() if kind.source is Source.SERVER})
UNKNOWN = Kind(NOTICE, HEALTHY, _("A later version of this program found it."))


def key_of(code: str, number: int) -> str:
    """Return the name in FINDINGS of a finding."""
    own = f"{code}_{number}" if code == XID else code
    return own if own in FINDINGS else code


def kind_of(code: str, number: int) -> Kind:
    """Return what a finding means; a code that no table has means nothing."""
    return FINDINGS.get(key_of(code, number), UNKNOWN)
