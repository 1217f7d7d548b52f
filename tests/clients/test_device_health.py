"""What we read of a card's identity and health in the output of the vendors' tools."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from clients.agent.bmc import parse_lan
from clients.agent.devices import DeviceReading, Fact, Identity, nvidia, parse
from clients.agent.devices.facts import Code, FactMemory
from clients.agent.devices.readings import holding
from clients.agent.health import HealthCheck
from protocol.v1 import agents_pb2 as pb

H100 = "NVIDIA H100 80GB HBM3, 81559, 0, 31, 40, 0, 0, 70.00"
UUID = "GPU-5a3c81de-0a4e-7c55-1a2b-0123456789ab"
BUS = "00000000:BA:00.0"


def nvidia_row(index: int, health: str, *, serial: str = "1650123000042", driver: str = "535.161.08") -> str:
    return f"{index}, {H100}, {UUID}, {serial}, {BUS}, {driver}, 96.00.74.00.01, {health}\n"


def nvidia_facts(output: str) -> list[tuple[int, tuple[Fact, ...]]]:
    return [(reading.index, reading.facts) for reading in nvidia.nvidia_smi_with_health(output)]


NVIDIA: dict[str, tuple[str, list[tuple[int, tuple[Fact, ...]]]]] = {
    "no error": (nvidia_row(0, "0, 0, No"), [(0, ())]),
    "a card without ECC": (nvidia_row(0, "[N/A], [N/A], [N/A]"), [(0, ())]),
    "an old driver's word for it": (nvidia_row(0, "[Not Supported], [Not Supported], [Not Supported]"), [(0, ())]),
    "errors in the life of the card only": (
        nvidia_row(0, "0, 3, No"),
        [(0, (Fact(Code.ECC_UNCORRECTABLE_LIFETIME, count=3),))],
    ),
    "errors since the driver was loaded, and pages that wait for a reset": (
        nvidia_row(1, "2, 5, Yes"),
        [
            (
                1,
                (
                    Fact(Code.ECC_UNCORRECTABLE, count=2),
                    Fact(Code.ECC_UNCORRECTABLE_LIFETIME, count=5),
                    Fact(Code.PAGES_PENDING),
                ),
            )
        ],
    ),
    "one broken card beside good ones": (
        nvidia_row(0, "0, 0, No") + f"1{', [GPU is lost]' * 16}\n" + nvidia_row(2, "ERR!, [Unknown Error], No"),
        [(0, ()), (1, (Fact(Code.LOST, text="GPU is lost"),)), (2, ())],
    ),
}


@pytest.mark.parametrize("case", NVIDIA)
def test_facts_of_nvidia_smi(case: str) -> None:
    output, expected = NVIDIA[case]
    assert nvidia_facts(output) == expected


def amd(**health: Any) -> dict[str, Any]:
    return {"gpu": 0, "temperature": {"hotspot": {"value": 40, "unit": "C"}}, **health}


def amd_facts(metric: dict[str, Any], pages: object = "N/A") -> tuple[Fact, ...]:
    (reading,) = parse.amd_smi(json.dumps([metric]), "", "", json.dumps(pages))
    return reading.facts


PAGE = {"page_address": 4096, "page_size": 4096, "status": "PENDING"}
NONE = "No bad pages found."
AMD: dict[str, tuple[Callable[[], tuple[Fact, ...]], tuple[Fact, ...]]] = {
    "nothing is told": (lambda: amd_facts(amd(ecc="N/A", ecc_blocks="N/A", throttle="N/A", xgmi_err="N/A")), ()),
    "no error": (
        lambda: amd_facts(
            amd(
                ecc={"total_correctable_count": 4, "total_uncorrectable_count": 0, "total_deferred_count": 0},
                ecc_blocks={"UMC": {"correctable_count": 4, "uncorrectable_count": 0, "deferred_count": 0}},
                throttle={"socket_thermal_violation_status": "NOT ACTIVE", "vr_thermal_violation_status": "N/A"},
                xgmi_err="AMDSMI_XGMI_STATUS_NO_ERRORS",
            ),
            [{"gpu": 0, "retired": NONE, "pending": NONE, "un_res": NONE}],
        ),
        (),
    ),
    "the blocks are named": (
        lambda: amd_facts(
            amd(
                ecc={"total_uncorrectable_count": 3},
                ecc_blocks={"UMC": {"uncorrectable_count": 2}, "SDMA": {"uncorrectable_count": 1}, "GFX": "N/A"},
            )
        ),
        (Fact(Code.ECC_UNCORRECTABLE, count=3, text="UMC: 2, SDMA: 1"),),
    ),
    "the blocks tell what the total does not": (
        lambda: amd_facts(
            amd(ecc={"total_uncorrectable_count": "N/A"}, ecc_blocks={"GFX": {"uncorrectable_count": 1}})
        ),
        (Fact(Code.ECC_UNCORRECTABLE, count=1, text="GFX: 1"),),
    ),
    "a single bad page comes without its list": (
        lambda: amd_facts(amd(), [{"gpu": 0, "retired": [PAGE, PAGE], "pending": PAGE, "un_res": NONE}]),
        (Fact(Code.PAGES_PENDING, count=1),),
    ),
    "bad pages of ROCm 7": (
        lambda: amd_facts(amd(), {"gpu_data": [{"gpu": 0, "pending": [PAGE, PAGE], "un_res": [PAGE]}]}),
        (Fact(Code.PAGES_PENDING, count=2), Fact(Code.PAGES_UNRESERVABLE, count=1)),
    ),
    "it is too hot and brakes": (
        lambda: amd_facts(
            amd(
                throttle={
                    "prochot_violation_status": "ACTIVE",
                    "socket_thermal_violation_status": "ACTIVE",
                    "hbm_thermal_violation_status": "ACTIVE",
                }
            )
        ),
        (Fact(Code.THERMAL_SLOWDOWN, text="socket, hbm"), Fact(Code.POWER_BRAKE, text="prochot")),
    ),
    "links have errors": (
        lambda: amd_facts(amd(xgmi_err="AMDSMI_XGMI_STATUS_MULTIPLE_ERRORS")),
        (Fact(Code.LINK_ERRORS, text="AMDSMI_XGMI_STATUS_MULTIPLE_ERRORS"),),
    ),
}


@pytest.mark.parametrize("case", AMD)
def test_facts_of_amd_smi(case: str) -> None:
    read, expected = AMD[case]
    assert read() == expected


AMD_STATIC = {
    "gpu": 0,
    "asic": {"market_name": "AMD Instinct MI300X", "asic_serial": "0x4F1E00C0FFEE1234"},
    "bus": {"bdf": "0000:C1:00.0", "max_pcie_width": 16},
    "driver": {"name": "amdgpu", "version": "6.10.5"},
    "board": {"product_serial": "N/A"},
}
ROCM_CARD = {
    "Unique ID": "0x4f1e00c0ffee1234",
    "PCI Bus": "0000:0C:00.0",
    "VBIOS version": "113-D65201-042",
    "Serial Number": "N/A",
    "GPU use (%)": "5",
}
IDENTITIES: dict[str, tuple[Callable[[], list[DeviceReading]], Identity]] = {
    "nvidia-smi": (
        lambda: nvidia.nvidia_smi_with_health(nvidia_row(0, "0, 0, No")),
        Identity(UUID, "1650123000042", "0000:ba:00.0", "535.161.08", "96.00.74.00.01"),
    ),
    "nvidia-smi: a card without a serial number": (
        lambda: nvidia.nvidia_smi_with_health(nvidia_row(0, "0, 0, No", serial="0", driver="[N/A]")),
        Identity(UUID, "", "0000:ba:00.0", "", "96.00.74.00.01"),
    ),
    "amd-smi of ROCm 6": (
        lambda: parse.amd_smi(
            json.dumps([amd()]),
            json.dumps([{**AMD_STATIC, "vbios": {"name": "NAVI", "version": "022.040.003.042"}}]),
            json.dumps([{"gpu": 0, "bdf": "0000:C1:00.0", "uuid": "4fff74a1-0000-1000-80f1"}]),
        ),
        Identity("4fff74a1-0000-1000-80f1", "0x4F1E00C0FFEE1234", "0000:c1:00.0", "6.10.5", "022.040.003.042"),
    ),
    "amd-smi of ROCm 7, which has another name for the VBIOS": (
        lambda: parse.amd_smi(
            json.dumps({"gpu_data": [amd()]}),
            json.dumps({"gpu_data": [{**AMD_STATIC, "ifwi": {"version": "00120810"}}]}),
            "WARNING: no list\n",
        ),
        Identity("", "0x4F1E00C0FFEE1234", "0000:c1:00.0", "6.10.5", "00120810"),
    ),
    "rocm-smi": (
        lambda: parse.rocm_smi(json.dumps({"card0": ROCM_CARD, "system": {"Driver version": "6.7.0"}})),
        Identity("0x4f1e00c0ffee1234", "", "0000:0c:00.0", "6.7.0", "113-D65201-042"),
    ),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities(case: str) -> None:
    read, expected = IDENTITIES[case]
    (reading,) = read()
    assert reading.identity == expected


def test_a_slowdown_stays_for_a_while_and_an_event_is_counted() -> None:
    now = 1000.0
    memory = FactMemory(lambda: now)
    hot = DeviceReading(3, "H100", 81559, facts=(Fact(Code.THERMAL_SLOWDOWN), Fact(Code.ECC_UNCORRECTABLE, count=1)))
    cool = DeviceReading(3, "H100", 81559)
    memory.note(3, Fact(Code.XID, number=31), 3600.0, event=True)
    now = 1010.0
    memory.note(3, Fact(Code.XID, number=31), 3600.0, event=True)
    xid = Fact(Code.XID, 31, 2, 1_000_000, 1_010_000)
    slow = Fact(Code.THERMAL_SLOWDOWN, first_ms=1_010_000)
    assert holding(hot, memory).facts == (Fact(Code.ECC_UNCORRECTABLE, count=1), xid, slow)
    assert memory.of(2) == ()
    now = 1300.0
    assert holding(cool, memory).facts == (xid, slow)
    now = 1311.0
    assert holding(cool, memory).facts == (xid,)
    now = 4611.0
    assert holding(cool, memory) == cool


class OneLost:
    async def read(self, busy: object) -> list[DeviceReading]:  # noqa: ARG002
        good = [DeviceReading(index, "H100", 81559, temperature=40.0) for index in range(7)]
        return [*good, DeviceReading(7, "", 0, facts=(Fact(Code.LOST, text="GPU is lost"),))]

    async def reset(self, device: pb.DeviceInfo) -> None:
        raise NotImplementedError


def test_a_lost_card_is_a_fact_and_not_a_device() -> None:
    health = HealthCheck(OneLost())
    assert [reading.index for reading in asyncio.run(health.read(set()))] == [*range(7)]
    assert health.present == frozenset(range(7))
    lost = pb.HealthFact(code=Code.LOST, text="GPU is lost")
    assert health.facts() == [pb.DeviceHealth(index=7, facts=[lost])]
    assert health.latest() == pb.Health(ok=True)


LAN = {
    "an address": (
        "Set in Progress         : Set Complete\nIP Address Source : DHCP\nIP Address              : 10.1.2.3\n",
        "10.1.2.3",
    ),
    "no address yet": ("IP Address              : 0.0.0.0\nSubnet Mask             : 255.255.255.0\n", ""),
    "nothing like it": ("Invalid channel: 1\n", ""),
    "no address at all": ("IP Address              : n/a\n", ""),
}


@pytest.mark.parametrize("case", LAN)
def test_the_address_of_a_bmc(case: str) -> None:
    output, expected = LAN[case]
    assert parse_lan(output) == expected
