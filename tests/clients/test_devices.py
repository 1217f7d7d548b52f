"""The vendors' tools: which one is used, and what happens when one is in trouble."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from clients.agent.devices import Command, DeviceReading, DevicesUnreadable, ToolDevices, find_devices, nvidia, parse
from tests.clients.device_outputs import AMD_METRIC, AMD_READ, AMD_STATIC, GOOD_H100, H100, NVIDIA


def tool(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return tmp_path


def read_found() -> list[DeviceReading]:
    found = find_devices()
    assert found is not None
    return asyncio.run(found.read(set()))


def test_the_first_tool_that_shows_devices_is_used(path: Path) -> None:
    assert find_devices() is None
    tool(path, "nvidia-smi", f"cat <<'E'\n{NVIDIA}E")
    assert [reading.model for reading in read_found()] == ["NVIDIA A100-SXM4-80GB"] * 2
    tool(path, "amd-smi", f"[ \"$1\" = static ] && echo '{AMD_STATIC}' || echo '{json.dumps(AMD_METRIC)}'")
    assert read_found() == AMD_READ


@pytest.mark.parametrize("amd_smi", ["echo '[]'", "echo no driver; exit 1", "echo '{}'"])
def test_a_tool_that_shows_nothing_leaves_the_others_their_turn(path: Path, amd_smi: str) -> None:
    tool(path, "amd-smi", amd_smi)
    tool(path, "nvidia-smi", f"cat <<'E'\n{GOOD_H100}E")
    assert read_found() == [H100]


def test_a_driver_that_does_not_know_a_field_of_health_is_asked_for_less(path: Path) -> None:
    refusal = 'Field \\"retired_pages.pending\\" is not a valid field to query.'
    tool(path, "nvidia-smi", f"case $1 in *pending*) echo '{refusal}'; exit 2;; esac\ncat <<'E'\n{GOOD_H100}E")
    assert read_found() == [H100]


def test_what_changes_seldom_is_read_seldom(path: Path) -> None:
    log = path / "log"
    tool(
        path, "amd-smi", f"echo $1 >> {log}; [ $1 = static ] && echo '{AMD_STATIC}' || echo '{json.dumps(AMD_METRIC)}'"
    )
    found = find_devices()
    assert found is not None
    for _ in range(3):
        assert asyncio.run(found.read(set())) == AMD_READ
    assert sorted(log.read_text().split()) == ["bad-pages", "list", "metric", "metric", "metric", "static"]


def test_the_tool_that_has_shown_devices_stays(path: Path) -> None:
    tool(path, "amd-smi", "echo '[]'")
    tool(path, "nvidia-smi", f"cat <<'E'\n{GOOD_H100}E")
    found = find_devices()
    assert found is not None
    asyncio.run(found.read(set()))
    tool(path, "amd-smi", f"[ \"$1\" = static ] && echo '{AMD_STATIC}' || echo '{json.dumps(AMD_METRIC)}'")
    tool(path, "nvidia-smi", "echo driver not loaded; exit 9")
    with pytest.raises(DevicesUnreadable, match="nvidia-smi ended with exit code 9: driver not loaded"):
        asyncio.run(found.read(set()))


def test_tools_in_trouble_are_all_named(path: Path) -> None:
    tool(path, "amd-smi", "exit 3")
    tool(path, "nvidia-smi", "exit 9")
    with pytest.raises(DevicesUnreadable, match="amd-smi ended with exit code 3; nvidia-smi ended with exit code 9"):
        read_found()


def test_a_tool_that_fails_for_one_card_shows_the_others(path: Path) -> None:
    tool(path, "nvidia-smi", f"cat <<'E'\n{GOOD_H100}E\necho 'Unable to determine the device handle'; exit 15")
    assert read_found() == [H100]


TROUBLE = {
    "it prints JSON without an end": ("printf '[%.0s' $(seq 20000)", "broken-smi printed something else"),
    "it fails": ("exit 9", "broken-smi ended with exit code 9"),
    "it prints something else": ("echo driver not loaded", "broken-smi printed something else"),
    "it prints JSON of another kind": ("echo '{\"gpu\": 1}'", "broken-smi printed something else"),
    "it hangs": ("exec sleep 30", "broken-smi did not answer within 0 s"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_a_tool_in_trouble(path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr("clients.agent.devices.tools.TIMEOUT", 0.3)
    script, expected = TROUBLE[case]
    tool(path, "broken-smi", script)
    with pytest.raises(DevicesUnreadable, match=expected):
        asyncio.run(ToolDevices([Command(("broken-smi",))], parse.amd_smi).read(set()))


def test_a_tool_whose_line_never_ends(path: Path) -> None:
    tool(path, "nvidia-smi", "printf '0, %0200000d' 1")
    with pytest.raises(DevicesUnreadable, match="nvidia-smi printed something else"):
        asyncio.run(ToolDevices([Command(("nvidia-smi",))], nvidia.nvidia_smi).read(set()))


def test_a_tool_that_is_gone(path: Path) -> None:
    with pytest.raises(DevicesUnreadable, match="No such file"):
        asyncio.run(ToolDevices([Command((str(path / "none"),))], parse.rocm_smi).read(set()))
