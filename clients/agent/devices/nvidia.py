"""Parser of what nvidia-smi prints; where NVIDIA's library is there, `nvml` reads more."""

import csv
from collections.abc import Iterator, Mapping, Sequence

from clients.agent.devices.facts import Code, Fact, Identity
from clients.agent.devices.readings import DeviceReading, is_index, number, pci_address, percent, readable, text, whole

NVIDIA_FIELDS = (
    "index",
    "name",
    "memory.total",
    "memory.used",
    "temperature.gpu",
    "temperature.memory",
    "utilization.gpu",
    "utilization.memory",
    "power.draw",
)
# Fields that every driver of the last ten years knows; one that is unknown makes nvidia-smi print nothing else.
NVIDIA_HEALTH_FIELDS = (
    *NVIDIA_FIELDS,
    "uuid",
    "serial",
    "pci.bus_id",
    "driver_version",
    "vbios_version",
    "ecc.errors.uncorrected.volatile.total",
    "ecc.errors.uncorrected.aggregate.total",
    "retired_pages.pending",
)
# What nvidia-smi prints in place of the values, and of the name, of a card that the driver cannot use any more.
NVIDIA_LOST = {"[gpu is lost]": Code.LOST, "[gpu requires reset]": Code.RESET_REQUIRED}


def nvidia_smi(output: str, fields: Sequence[str] = NVIDIA_FIELDS) -> list[DeviceReading]:
    """Return the devices of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits` with these fields.

    A line that is no row of values, as nvidia-smi prints it for a card without a handle, is skipped.
    """
    rows = [row for row in csv.reader(output.splitlines(), skipinitialspace=True) if row]
    cards = [dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields) and is_index(row[0])]
    if rows and not cards:
        raise ValueError(rows[0][0])
    return readable(_nvidia(card) for card in cards)


def nvidia_smi_with_health(output: str) -> list[DeviceReading]:
    """Return the devices of a query with NVIDIA_HEALTH_FIELDS."""
    return nvidia_smi(output, NVIDIA_HEALTH_FIELDS)


def _nvidia(row: Mapping[str, str]) -> DeviceReading:
    index = int(row["index"])
    for value in row.values():
        if (code := NVIDIA_LOST.get(value.lower())) is not None:
            return DeviceReading(index, text(row["name"]), 0, facts=(Fact(code, text=value.strip("[]")),))
    return DeviceReading(
        index=index,
        model=text(row["name"]),
        memory_mib=whole(number(row["memory.total"])) or 0,
        used_memory_mib=whole(number(row["memory.used"])),
        temperature=number(row["temperature.gpu"]),
        memory_temperature=number(row["temperature.memory"]),
        utilization=number(row["utilization.gpu"]),
        memory_utilization=percent(number(row["memory.used"]), number(row["memory.total"])),
        power=number(row["power.draw"]),
        identity=Identity(
            uuid=text(row.get("uuid")),
            serial=_serial(row.get("serial")),
            pci_address=pci_address(row.get("pci.bus_id")),
            driver_version=text(row.get("driver_version")),
            firmware_version=text(row.get("vbios_version")),
        ),
        facts=tuple(_facts(row)),
    )


def _facts(row: Mapping[str, str]) -> Iterator[Fact]:
    for name, code in (("volatile", Code.ECC_UNCORRECTABLE), ("aggregate", Code.ECC_UNCORRECTABLE_LIFETIME)):
        if count := whole(number(row.get(f"ecc.errors.uncorrected.{name}.total"))):
            yield Fact(code, count=count)
    if row.get("retired_pages.pending", "").lower() == "yes":
        yield Fact(Code.PAGES_PENDING)


def _serial(value: str | None) -> str:
    """Return a serial number; cards without one print 0."""
    found = text(value)
    return "" if found == "0" else found
