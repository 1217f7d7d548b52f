"""What the vendors' tools print, and what we read in it."""

import asyncio
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.agent.devices import DevicesUnreadable, Reading, ToolDevices, find_devices, parse
from clients.agent.devices.reading import number

AMD_STATIC = json.dumps(
    [
        {"gpu": 0, "asic": {"market_name": "AMD Instinct MI250", "vendor_id": "0x1002"}},
        {"gpu": 1, "asic": {"market_name": "AMD Instinct MI250", "vendor_id": "0x1002"}},
    ]
)
AMD_METRIC = [
    {
        "gpu": 1,
        "usage": {"gfx_activity": {"value": 97, "unit": "%"}, "umc_activity": {"value": 12, "unit": "%"}},
        "power": {"socket_power": {"value": 412, "unit": "W"}, "gfx_voltage": "N/A"},
        "temperature": {
            "edge": "N/A",
            "hotspot": {"value": 71, "unit": "C"},
            "mem": {"value": 65, "unit": "C"},
        },
        "mem_usage": {
            "total_vram": {"value": 65520, "unit": "MB"},
            "used_vram": {"value": 16380, "unit": "MB"},
        },
    },
    {
        "gpu": 0,
        "usage": "N/A",
        "power": {"socket_power": "N/A"},
        "temperature": {"edge": {"value": 35, "unit": "C"}, "hotspot": "N/A", "mem": "N/A"},
        "mem_usage": {"total_vram": {"value": 65520, "unit": "MB"}, "used_vram": {"value": 10, "unit": "MB"}},
    },
]
AMD_READ = [
    Reading(0, "AMD Instinct MI250", 65520, 10, 35.0, None, None, 1000 / 65520, None),
    Reading(1, "AMD Instinct MI250", 65520, 16380, 71.0, 65.0, 97.0, 25.0, 412.0),
]
ROCM = json.dumps(
    {
        "card1": {
            "Temperature (Sensor edge) (C)": "33.0",
            "Average Graphics Package Power (W)": "88.0",
            "GPU use (%)": "0",
            "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "10960896",
            "Card series": "AMD INSTINCT MI250 (MCM) OAM AC MBA",
        },
        "card0": {
            "Temperature (Sensor edge) (C)": "35.0",
            "Temperature (Sensor junction) (C)": "41.0",
            "Temperature (Sensor memory) (C)": "38.0",
            "Current Socket Graphics Package Power (W)": "N/A",
            "GPU use (%)": "100",
            "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "34351349760",
            "Card Series": "AMD Instinct MI250",
        },
        "system": {"Driver version": "6.2.4"},
    }
)
NVIDIA = """\
0, NVIDIA A100-SXM4-80GB, 81920, 20480, 45, 52, 100, 37, 251.33
1, NVIDIA A100-SXM4-80GB, 81920, 3, 30, [N/A], 0, 0, [Not Supported]
"""

READINGS: dict[str, tuple[Callable[[], list[Reading]], list[Reading]]] = {
    "amd-smi of ROCm 6 prints a list, in any order": (
        lambda: parse.amd_smi(AMD_STATIC, json.dumps(AMD_METRIC)),
        AMD_READ,
    ),
    "amd-smi of ROCm 7 wraps it": (
        lambda: parse.amd_smi(json.dumps({"gpu_data": json.loads(AMD_STATIC)}), json.dumps({"gpu_data": AMD_METRIC})),
        AMD_READ,
    ),
    "rocm-smi names the same things differently from card to card": (
        lambda: parse.rocm_smi(ROCM),
        [
            Reading(0, "AMD Instinct MI250", 65520, 32760, 41.0, 38.0, 100.0, 50.0, None),
            Reading(
                1,
                "AMD INSTINCT MI250 (MCM) OAM AC MBA",
                65520,
                10,
                33.0,
                None,
                0.0,
                100 * 10960896 / 68702699520,
                88.0,
            ),
        ],
    ),
    "nvidia-smi has values that a card cannot give": (
        lambda: parse.nvidia_smi(NVIDIA),
        [
            Reading(0, "NVIDIA A100-SXM4-80GB", 81920, 20480, 45.0, 52.0, 100.0, 25.0, 251.33),
            Reading(1, "NVIDIA A100-SXM4-80GB", 81920, 3, 30.0, None, 0.0, 300 / 81920, None),
        ],
    ),
    "a node without cards has none": (lambda: parse.nvidia_smi("\n"), []),
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


def tool(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return tmp_path


def test_the_first_tool_there_is_used(path: Path) -> None:
    assert find_devices() is None
    tool(path, "nvidia-smi", f"cat <<'E'\n{NVIDIA}E")
    found = find_devices()
    assert found is not None
    assert [reading.model for reading in asyncio.run(found.read(set()))] == ["NVIDIA A100-SXM4-80GB"] * 2
    tool(path, "amd-smi", f"[ \"$1\" = static ] && echo '{AMD_STATIC}' || echo '{json.dumps(AMD_METRIC)}'")
    found = find_devices()
    assert found is not None
    assert asyncio.run(found.read(set())) == AMD_READ


TROUBLE = {
    "it fails": ("exit 9", "broken-smi ended with exit code 9"),
    "it prints something else": ("echo driver not loaded", "broken-smi printed something else"),
    "it prints JSON of another kind": ("echo '{\"gpu\": 1}'", "broken-smi printed something else"),
    "it hangs": ("exec sleep 30", "broken-smi did not answer within 0 s"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_a_tool_in_trouble(path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr("clients.agent.devices.tools.PATIENCE", 0.3)
    script, expected = TROUBLE[case]
    tool(path, "broken-smi", script)
    with pytest.raises(DevicesUnreadable, match=expected):
        asyncio.run(ToolDevices([["broken-smi"]], lambda text: parse.amd_smi(text, text)).read(set()))


def test_a_tool_that_is_gone(path: Path) -> None:
    with pytest.raises(DevicesUnreadable, match="No such file"):
        asyncio.run(ToolDevices([[str(path / "none")]], parse.rocm_smi).read(set()))
