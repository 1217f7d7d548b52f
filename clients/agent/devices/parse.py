"""What the vendors' tools print, as readings. Each function takes the whole output; nonsense is a ValueError."""

import csv
import json
from collections.abc import Mapping
from typing import Any

from clients.agent.devices.reading import Reading, number, share, whole

MIB = 1024 * 1024
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


def nvidia_smi(output: str) -> list[Reading]:
    """Read `nvidia-smi --query-gpu=… --format=csv,noheader,nounits` with NVIDIA_FIELDS."""
    rows = [row for row in csv.reader(output.splitlines(), skipinitialspace=True) if row]
    return sorted((_nvidia(dict(zip(NVIDIA_FIELDS, row, strict=True))) for row in rows), key=lambda r: r.index)


def _nvidia(row: Mapping[str, str]) -> Reading:
    return Reading(
        index=int(row["index"]),
        model=row["name"],
        memory_mib=whole(number(row["memory.total"])) or 0,
        used_memory_mib=whole(number(row["memory.used"])),
        temperature=number(row["temperature.gpu"]),
        memory_temperature=number(row["temperature.memory"]),
        utilization=number(row["utilization.gpu"]),
        memory_utilization=share(number(row["memory.used"]), number(row["memory.total"])),
        power=number(row["power.draw"]),
    )


def rocm_smi(output: str) -> list[Reading]:
    """Read `rocm-smi --showproductname --showtemp --showuse --showpower --showmeminfo vram --json`."""
    cards = {name: card for name, card in json.loads(output).items() if name.startswith("card")}
    return sorted((_rocm(int(name[4:]), card) for name, card in cards.items()), key=lambda r: r.index)


def _rocm(index: int, card: Mapping[str, Any]) -> Reading:
    def value(*names: str) -> float | None:
        return next((number(card[name]) for name in names if name in card), None)

    total, used = value("VRAM Total Memory (B)"), value("VRAM Total Used Memory (B)")
    series = next((str(card[name]) for name in ("Card Series", "Card series", "Device Name") if name in card), "")
    return Reading(
        index=index,
        model=series,
        memory_mib=int((total or 0) // MIB),
        used_memory_mib=None if used is None else int(used // MIB),
        temperature=value("Temperature (Sensor junction) (C)", "Temperature (Sensor edge) (C)"),
        memory_temperature=value("Temperature (Sensor memory) (C)"),
        utilization=value("GPU use (%)"),
        memory_utilization=share(used, total),
        power=value("Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)"),
    )


def amd_smi(static: str, metric: str) -> list[Reading]:
    """Read `amd-smi static --asic --json` with `amd-smi metric --json`, of ROCm 6 (a list) or 7 (in "gpu_data")."""
    names = {gpu["gpu"]: gpu.get("asic", {}).get("market_name", "") for gpu in _gpus(static)}
    return sorted((_amd(gpu, names.get(gpu["gpu"], "")) for gpu in _gpus(metric)), key=lambda r: r.index)


def _gpus(output: str) -> list[dict[str, Any]]:
    found = json.loads(output)
    gpus = found.get("gpu_data") if isinstance(found, dict) else found
    if not isinstance(gpus, list) or not all(isinstance(gpu, dict) and "gpu" in gpu for gpu in gpus):
        raise ValueError("amd-smi printed no list of GPUs")
    return gpus


def _amd(gpu: Mapping[str, Any], name: str) -> Reading:
    heat, memory = _part(gpu, "temperature"), _part(gpu, "mem_usage")
    total, used = number(memory.get("total_vram")), number(memory.get("used_vram"))
    hotspot = number(heat.get("hotspot"))
    return Reading(
        index=int(gpu["gpu"]),
        model=name,
        memory_mib=whole(total) or 0,
        used_memory_mib=whole(used),
        temperature=hotspot if hotspot is not None else number(heat.get("edge")),
        memory_temperature=number(heat.get("mem")),
        utilization=number(_part(gpu, "usage").get("gfx_activity")),
        memory_utilization=share(used, total),
        power=number(_part(gpu, "power").get("socket_power")),
    )


def _part(gpu: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section that could not be read is the string N/A."""
    part = gpu.get(name)
    return part if isinstance(part, dict) else {}
