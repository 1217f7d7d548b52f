"""Parsers of what the vendors' tools print. Each takes the whole output and raises ValueError for nonsense.

A device of which nothing can be read is left out, or has nothing but the fact that it is lost; its neighbours are read
as usual.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from clients.agent.devices.amd_facts import amd_facts, amd_identity, rocm_identity
from clients.agent.devices.readings import DeviceReading, is_index, number, part, percent, readable, text, whole

T = TypeVar("T")
MIB = 1024 * 1024


def rocm_smi(output: str) -> list[DeviceReading]:
    """Return the devices of `rocm-smi --showproductname --showtemp --showuse --showpower --showmeminfo vram --json`."""
    found = _object(output)
    cards = {name[4:]: card for name, card in found.items() if name.startswith("card")}
    driver = text(part(found, "system").get("Driver version"))
    return readable(
        _rocm(int(index), card, driver) for index, card in cards.items() if is_index(index) and isinstance(card, dict)
    )


def _rocm(index: int, card: Mapping[str, Any], driver: str) -> DeviceReading:
    def value(*names: str) -> float | None:
        return _first(number, (card.get(name) for name in names))

    total, used = value("VRAM Total Memory (B)"), value("VRAM Total Used Memory (B)")
    return DeviceReading(
        index=index,
        model=_first(text, (card.get(name) for name in ("Card Series", "Card series", "Device Name"))) or "",
        memory_mib=int((total or 0) // MIB),
        used_memory_mib=None if used is None else int(used // MIB),
        temperature=value("Temperature (Sensor junction) (C)", "Temperature (Sensor edge) (C)"),
        memory_temperature=value("Temperature (Sensor memory) (C)"),
        utilization=value("GPU use (%)"),
        memory_utilization=percent(used, total),
        power=value("Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)"),
        identity=replace(rocm_identity(card), driver_version=driver),
    )


def amd_smi(metric: str, static: str = "", listed: str = "", pages: str = "") -> list[DeviceReading]:
    """Return the devices of `amd-smi metric --json` with what `static`, `list` and `bad-pages` tell of them.

    ROCm 6 prints a list, ROCm 7 an object with the list in "gpu_data".
    """
    more = [_amd_by_index(output) for output in (static, listed, pages)]
    return readable(_amd(gpu, *(one.get(int(gpu["gpu"]), {}) for one in more)) for gpu in _gpus(metric))


def _amd_by_index(output: str) -> dict[int, Mapping[str, Any]]:
    """Return what is told of each GPU; nothing when it cannot be read, which makes no GPU unusable."""
    try:
        return {int(gpu["gpu"]): gpu for gpu in _gpus(output)}
    except ValueError:
        return {}


def _gpus(output: str) -> list[dict[str, Any]]:
    """Return what is told of each GPU; an entry that names none, as for a card in trouble, is skipped."""
    found = _json(output)
    gpus = found.get("gpu_data") if isinstance(found, dict) else found
    named = (
        [gpu for gpu in gpus if isinstance(gpu, dict) and is_index(gpu.get("gpu"))] if isinstance(gpus, list) else []
    )
    if not named and gpus != []:
        raise ValueError("amd-smi printed no list of GPUs")
    return named


def _amd(
    gpu: Mapping[str, Any], static: Mapping[str, Any], listed: Mapping[str, Any], pages: Mapping[str, Any]
) -> DeviceReading:
    heat, memory, power = part(gpu, "temperature"), part(gpu, "mem_usage"), part(gpu, "power")
    total, used = number(memory.get("total_vram")), number(memory.get("used_vram"))
    return DeviceReading(
        index=int(gpu["gpu"]),
        model=text(part(static, "asic").get("market_name")),
        memory_mib=whole(total) or 0,
        used_memory_mib=whole(used),
        temperature=_first(number, (heat.get(name) for name in ("hotspot", "edge"))),
        memory_temperature=number(heat.get("mem")),
        utilization=number(part(gpu, "usage").get("gfx_activity")),
        memory_utilization=percent(used, total),
        power=_first(number, (power.get(name) for name in ("socket_power", "current_socket_power"))),
        identity=amd_identity(static, listed),
        facts=amd_facts(gpu, pages),
    )


def _first(read: Callable[[object], T | None], values: Iterable[object]) -> T | None:
    """Return the first value that can be read: a name or a sensor may be there and be N/A."""
    return next((found for value in values if (found := read(value)) not in (None, "")), None)


def _object(output: str) -> dict[str, Any]:
    found = _json(output)
    if not isinstance(found, dict):
        raise ValueError("no object of cards was printed")
    return found


def _json(output: str) -> Any:
    """Return the JSON document in the output; the AMD tools print warnings on the same stream before it."""
    lines = output.splitlines(keepends=True)
    for start, line in enumerate(lines):
        if line.startswith(("{", "[")):
            try:
                return json.JSONDecoder().raw_decode("".join(lines[start:]))[0]
            except ValueError:
                continue  # "[WARNING] …" begins like a list
    raise ValueError(lines[0].strip() if lines else "nothing")
