"""What we read in the output of the vendors' tools."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from clients.agent.devices import DeviceReading, Fact, Identity, nvidia, parse
from clients.agent.devices.facts import Code
from clients.agent.devices.readings import number
from protocol.v1.agents_pb2 import DeviceTelemetry
from tests.clients.device_outputs import AMD_METRIC, AMD_READ, AMD_STATIC, GOOD_H100, H100, NVIDIA, ROCM, ROCM_OTHERS

RESET = "GPU requires reset"
ROCM_624 = Identity(driver_version="6.2.4")
READINGS: dict[str, tuple[Callable[[], list[DeviceReading]], list[DeviceReading]]] = {
    "amd-smi of ROCm 6 prints a list, in any order": (
        lambda: parse.amd_smi(json.dumps(AMD_METRIC), AMD_STATIC),
        AMD_READ,
    ),
    "amd-smi of ROCm 7 wraps it": (
        lambda: parse.amd_smi(json.dumps({"gpu_data": AMD_METRIC}), json.dumps({"gpu_data": json.loads(AMD_STATIC)})),
        AMD_READ,
    ),
    "rocm-smi names the same things differently from card to card": (
        lambda: parse.rocm_smi(ROCM),
        [
            DeviceReading(0, "AMD Instinct MI250", 65520, 32760, 41.0, 38.0, 100.0, 50.0, None, ROCM_624),
            DeviceReading(
                1,
                "AMD INSTINCT MI250 (MCM) OAM AC MBA",
                65520,
                10,
                33.0,
                None,
                0.0,
                100 * 10960896 / 68702699520,
                88.0,
                ROCM_624,
            ),
        ],
    ),
    "nvidia-smi has values that a card cannot give": (
        lambda: nvidia.nvidia_smi(NVIDIA),
        [
            DeviceReading(0, "NVIDIA A100-SXM4-80GB", 81920, 20480, 45.0, 52.0, 100.0, 25.0, 251.33),
            DeviceReading(1, "NVIDIA A100-SXM4-80GB", 81920, 3, 30.0, None, 0.0, 300 / 81920, None),
        ],
    ),
    "a node without cards has none": (lambda: nvidia.nvidia_smi("\n"), []),
    "a card that is lost has only this fact, its neighbours are read": (
        lambda: nvidia.nvidia_smi(
            "0, NVIDIA A100-SXM4-80GB, 81920, 3, 30, [N/A], 0, 0, 60.1\n" + f"1{', [GPU is lost]' * 8}\n"
        ),
        [
            DeviceReading(0, "NVIDIA A100-SXM4-80GB", 81920, 3, 30.0, None, 0.0, 300 / 81920, 60.1),
            DeviceReading(1, "", 0, facts=(Fact(Code.LOST, text="GPU is lost"),)),
        ],
    ),
    "a lost card may keep its name": (
        lambda: nvidia.nvidia_smi(f"2, NVIDIA A100-SXM4-80GB{', [GPU is lost]' * 7}\n{GOOD_H100}"),
        [H100, DeviceReading(2, "NVIDIA A100-SXM4-80GB", 0, facts=(Fact(Code.LOST, text="GPU is lost"),))],
    ),
    "a card that must be reset is not measured, though it tells its memory": (
        lambda: nvidia.nvidia_smi(f"2, NVIDIA A100-SXM4-80GB, 81920{', [GPU requires reset]' * 6}\n{GOOD_H100}"),
        [H100, DeviceReading(2, "NVIDIA A100-SXM4-80GB", 0, facts=(Fact(Code.RESET_REQUIRED, text=RESET),))],
    ),
    "a card of which nothing can be read is not there": (
        lambda: nvidia.nvidia_smi(f"2, NVIDIA A100-SXM4-80GB{', ERR!' * 4}{', [Unknown Error]' * 3}\n{GOOD_H100}"),
        [H100],
    ),
    "a card without a handle is one line among good ones": (
        lambda: nvidia.nvidia_smi(
            f"{GOOD_H100}Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error\n"
        ),
        [H100],
    ),
    "a card in parts tells no utilization": (
        lambda: nvidia.nvidia_smi("0, NVIDIA H100 80GB HBM3, 81559, 62, 31, 40, [N/A], [N/A], 70.00\n"),
        [DeviceReading(0, "NVIDIA H100 80GB HBM3", 81559, 62, 31.0, 40.0, None, 6200 / 81559, 70.0)],
    ),
    "a card that shares the memory of its host has none of its own": (
        lambda: nvidia.nvidia_smi("0, NVIDIA GB10, [N/A], [N/A], 41, [N/A], 3, 0, 11.90\n"),
        [DeviceReading(0, "NVIDIA GB10", 0, None, 41.0, None, 3.0, None, 11.9)],
    ),
    "amd-smi warns before its JSON": (
        lambda: parse.amd_smi(
            f"[WARNING] Unable to detect a driver feature\n{json.dumps(AMD_METRIC, indent=4)}\n",
            f"WARNING: User is missing the following required groups: render, video.\n{AMD_STATIC}",
        ),
        AMD_READ,
    ),
    "rocm-smi warns before its JSON": (
        lambda: parse.rocm_smi(f"WARNING: AMD GPU device(s) is/are in a low-power state.\n\n{ROCM_OTHERS}"),
        [DeviceReading(0, "Instinct MI210", 65520, None, 33.0, None, 5.0, None, 44.0)],
    ),
    "half a character in a name is a question mark": (
        lambda: parse.rocm_smi('{"card0": {"Card Series": "MI\\ud800", "GPU use (%)": "5"}}'),
        [DeviceReading(0, "MI?", 0, None, None, None, 5.0)],
    ),
    "a number that no device has is that of a card in trouble": (
        lambda: nvidia.nvidia_smi(
            GOOD_H100 + "".join(GOOD_H100.replace("0,", f"{odd},", 1) for odd in (32, 2**32, "9" * 5000))
        ),
        [H100],
    ),
    "amd-smi: an entry without an index is left out, its neighbours are there": (
        lambda: parse.amd_smi(
            json.dumps([*AMD_METRIC, {"error": "AMDSMI_STATUS_BUSY"}, {"gpu": "N/A", "usage": "N/A"}, "N/A"]),
            json.dumps([*json.loads(AMD_STATIC), "N/A"]),
        ),
        AMD_READ,
    ),
    "amd-smi: the names cannot be read": (
        lambda: parse.amd_smi(json.dumps(AMD_METRIC), "ERROR: unable to query"),
        [replace(reading, model="") for reading in AMD_READ],
    ),
    "rocm-smi: what is no card is left out": (
        lambda: parse.rocm_smi(json.dumps({**json.loads(ROCM_OTHERS), "cardinfo": {}, "card7": "N/A"})),
        [DeviceReading(0, "Instinct MI210", 65520, None, 33.0, None, 5.0, None, 44.0)],
    ),
    "sections, names and sensors are N/A": (
        lambda: parse.amd_smi(
            json.dumps([{"gpu": 0, "temperature": {"hotspot": "N/A", "edge": 50}}, {"gpu": 1, "usage": "N/A"}]),
            json.dumps([{"gpu": 0, "asic": "N/A"}, {"gpu": 1, "asic": {"market_name": "N/A"}}]),
        ),
        [DeviceReading(0, "", 0, temperature=50.0)],
    ),
}


@pytest.mark.parametrize("case", READINGS)
def test_readings(case: str) -> None:
    read, expected = READINGS[case]
    assert read() == expected


NUMBERS = {
    "a number": (35, 35.0),
    "a string": ("35.5", 35.5),
    "with its unit": ({"value": "7", "unit": "W"}, 7.0),
    "not available": ("N/A", None),
    "not a number": ("nan", None),
    "endless": (float("inf"), None),
    "nothing": (None, None),
    "yes": (True, None),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers(case: str) -> None:
    value, expected = NUMBERS[case]
    assert number(value) == expected


def test_what_could_not_be_read_is_absent_on_the_wire() -> None:
    told = AMD_READ[0].telemetry()
    assert told.HasField("temperature_celsius")
    assert not told.HasField("power_watts")
    assert not told.HasField("utilization_percent")


IMPOSSIBLE = {
    "too hot": {"temperature": 200.1},
    "colder than any card": {"memory_temperature": -51.0},
    "more than all of it": {"utilization": 100.5},
    "less than nothing": {"power": -1.0},
    "more memory than a column holds": {"used_memory_mib": 2**31},
    "more than there is": {"memory_utilization": 250.0},
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_value_is_absent_on_the_wire(case: str) -> None:
    assert DeviceReading(0, "MI250", 65536, **IMPOSSIBLE[case]).telemetry() == DeviceTelemetry(index=0)  # type: ignore[arg-type]
