"""What AMD's tools say about the identity and the health of a card."""

from collections.abc import Iterator, Mapping
from typing import Any

from clients.agent.devices.facts import Code, Fact, Identity
from clients.agent.devices.readings import number, part, pci_address, text, whole

ACTIVE = "ACTIVE"


def amd_identity(static: Mapping[str, Any], listed: Mapping[str, Any]) -> Identity:
    """Return the identity of a GPU of `amd-smi static` and `amd-smi list`; ROCm 7 calls the VBIOS IFWI."""
    board, firmware = part(static, "board"), part(static, "vbios") or part(static, "ifwi")
    return Identity(
        uuid=text(listed.get("uuid")),
        serial=text(part(static, "asic").get("asic_serial")) or text(board.get("product_serial")),
        pci_address=pci_address(part(static, "bus").get("bdf") or listed.get("bdf")),
        driver_version=text(part(static, "driver").get("version")),
        firmware_version=text(firmware.get("version")),
    )


def rocm_identity(card: Mapping[str, Any]) -> Identity:
    """Return the identity of a card of `rocm-smi`, without the driver's version."""
    return Identity(
        uuid=text(card.get("Unique ID")),
        serial=text(card.get("Serial Number")),
        pci_address=pci_address(card.get("PCI Bus")),
        firmware_version=text(card.get("VBIOS version")),
    )


def amd_facts(metric: Mapping[str, Any], pages: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return what is wrong with a GPU of `amd-smi metric` and `amd-smi bad-pages`."""
    return (*_ecc(metric), *_pages(pages), *_slowdown(metric), *_links(metric))


def _ecc(metric: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield uncorrectable errors, with the blocks in which they were found."""
    blocks = part(metric, "ecc_blocks")
    counts = {name: whole(number(part(blocks, name).get("uncorrectable_count"))) or 0 for name in blocks}
    total = whole(number(part(metric, "ecc").get("total_uncorrectable_count"))) or 0
    if count := max(total, sum(counts.values())):
        text_ = ", ".join(f"{name}: {errors}" for name, errors in counts.items() if errors)
        yield Fact(Code.ECC_UNCORRECTABLE, count=count, text=text_)


def _pages(pages: Mapping[str, Any]) -> Iterator[Fact]:
    for name, code in (("pending", Code.PAGES_PENDING), ("un_res", Code.PAGES_UNRESERVABLE)):
        if count := _records(pages.get(name)):
            yield Fact(code, count=count)


def _records(value: object) -> int:
    """Count bad pages: a list, one record without its list, or words that there are none."""
    if isinstance(value, list):
        return sum(isinstance(one, dict) for one in value)
    return 1 if isinstance(value, dict) and value else 0


def _slowdown(metric: Mapping[str, Any]) -> Iterator[Fact]:
    throttle = part(metric, "throttle")
    hot = [name for name in ("socket", "vr", "hbm") if throttle.get(f"{name}_thermal_violation_status") == ACTIVE]
    if hot:
        yield Fact(Code.THERMAL_SLOWDOWN, text=", ".join(hot))
    if throttle.get("prochot_violation_status") == ACTIVE:
        yield Fact(Code.POWER_BRAKE, text="prochot")


def _links(metric: Mapping[str, Any]) -> Iterator[Fact]:
    status = metric.get("xgmi_err")
    if isinstance(status, str) and "ERROR" in status.upper() and "NO_ERROR" not in status.upper():
        yield Fact(Code.LINK_ERRORS, text=status)
