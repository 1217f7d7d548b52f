"""Devices as NVIDIA's library shows them, through NVIDIA's own package `nvidia-ml-py`, where both are installed.

Each call may not be supported by a card or a driver: then its value is unknown.
"""

import contextlib
import ctypes
import importlib
from collections.abc import Callable, Iterator, Set
from typing import Any

from clients.agent.deadlines import DeadlineThread
from clients.agent.devices.facts import Code, Fact, FactMemory, Identity
from clients.agent.devices.nvml_events import XidThread
from clients.agent.devices.readings import DeviceReading, holding, pci_address, percent, readable, text
from clients.agent.devices.resets import reset_by
from clients.agent.errors import DevicesUnreadable, WorkerError
from protocol.v1 import agents_pb2 as pb

TIMEOUT = 10.0  # seconds for a reading of all cards; a library that hangs longer sits in a sick driver
MIB = 1024 * 1024


def load_nvml() -> Any:
    """Return the module pynvml; None where `nvidia-ml-py` or the driver's library is not installed."""
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
        return importlib.import_module("pynvml")
    except (OSError, ImportError):
        return None


class NvmlDevices:
    """Reads cards and their health. A driver that hangs makes readings fail; it holds one thread, and one for XIDs."""

    def __init__(self, nvml: Any, memory: FactMemory | None = None) -> None:
        self._nvml = nvml
        self._memory = memory or FactMemory()
        self._thread = DeadlineThread("nvml")
        self._xids: XidThread | None = None
        self._lost = {
            nvml.NVML_ERROR_GPU_IS_LOST: Code.LOST,
            nvml.NVML_ERROR_RESET_REQUIRED: Code.RESET_REQUIRED,
        }

    async def read(self, busy: Set[int]) -> list[DeviceReading]:  # noqa: ARG002 - the hardware knows
        """Read all cards. Raises DevicesUnreadable."""
        try:
            return await self._thread.call(self._read, TIMEOUT)
        except TimeoutError as error:
            raise DevicesUnreadable(f"NVML did not answer within {TIMEOUT:.0f} s") from error
        except self._nvml.NVMLError as error:
            raise DevicesUnreadable(f"NVML: {error}") from error

    async def reset(self, device: pb.DeviceInfo) -> None:
        """Let go of the driver, which resets no card that is in use, and reset a device. Raises WorkerError."""
        try:
            await self._thread.call(self._let_go, TIMEOUT)
        except TimeoutError as error:
            raise WorkerError(f"NVML did not answer within {TIMEOUT:.0f} s") from error
        await reset_by("nvidia-smi", device)
        self._memory.forget(device.index)

    def _let_go(self) -> None:
        """End the use of the library; the next reading begins it anew."""
        if self._xids is None:
            return
        self._xids.over.set()
        self._xids.join(TIMEOUT / 2)
        self._xids = None
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def _read(self) -> list[DeviceReading]:
        nvml = self._nvml
        if self._xids is None:
            nvml.nvmlInit()
            self._xids = XidThread(nvml, self._memory)
            self._xids.start()
        driver = text(self._ask(nvml.nvmlSystemGetDriverVersion))
        cards = [self._card(index, driver) for index in range(nvml.nvmlDeviceGetCount())]
        return readable(holding(card, self._memory) for card in cards)

    def _card(self, index: int, driver: str) -> DeviceReading:
        try:
            return self._reading(index, self._nvml.nvmlDeviceGetHandleByIndex(index), driver)
        except self._nvml.NVMLError as error:
            code = self._lost.get(error.value)
            facts = () if code is None else (Fact(code, text=str(error)),)
            return DeviceReading(index, "", 0, facts=facts)

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the library answers; None for what it cannot tell. Raises NVMLError for a card that is lost."""
        try:
            return call(*arguments)
        except self._nvml.NVMLError as error:
            if error.value in self._lost:
                raise
            return None

    def _reading(self, index: int, card: Any, driver: str) -> DeviceReading:
        nvml, ask = self._nvml, self._ask
        memory = ask(nvml.nvmlDeviceGetMemoryInfo, card, nvml.nvmlMemory_v2) or ask(nvml.nvmlDeviceGetMemoryInfo, card)
        use, power = ask(nvml.nvmlDeviceGetUtilizationRates, card), ask(nvml.nvmlDeviceGetPowerUsage, card)
        return DeviceReading(
            index=index,
            model=text(ask(nvml.nvmlDeviceGetName, card)),
            memory_mib=memory.total // MIB if memory else 0,
            used_memory_mib=memory.used // MIB if memory else None,
            temperature=ask(nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU),
            memory_temperature=self._field(card, nvml.NVML_FI_DEV_MEMORY_TEMP),
            utilization=use.gpu if use else None,
            memory_utilization=percent(memory.used, memory.total) if memory else None,
            power=None if power is None else power / 1000,
            identity=self._identity(card, driver),
            facts=tuple(self._facts(card)),
        )

    def _field(self, card: Any, field: int) -> float | None:
        values = self._ask(self._nvml.nvmlDeviceGetFieldValues, card, [field])
        return values[0].value.uiVal if values and values[0].nvmlReturn == self._nvml.NVML_SUCCESS else None

    def _identity(self, card: Any, driver: str) -> Identity:
        nvml, ask = self._nvml, self._ask
        pci = ask(nvml.nvmlDeviceGetPciInfo, card)
        return Identity(
            uuid=text(ask(nvml.nvmlDeviceGetUUID, card)),
            serial=text(ask(nvml.nvmlDeviceGetSerial, card)),
            pci_address=pci_address(_words(pci.busId)) if pci else "",
            driver_version=driver,
            firmware_version=text(ask(nvml.nvmlDeviceGetVbiosVersion, card)),
        )

    def _facts(self, card: Any) -> Iterator[Fact]:
        nvml, ask = self._nvml, self._ask
        scopes = (
            (nvml.NVML_VOLATILE_ECC, Code.ECC_UNCORRECTABLE),
            (nvml.NVML_AGGREGATE_ECC, Code.ECC_UNCORRECTABLE_LIFETIME),
        )
        for scope, code in scopes:
            kind = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
            if errors := ask(nvml.nvmlDeviceGetTotalEccErrors, card, kind, scope):
                yield Fact(code, count=errors)
        corrected, uncorrected, pending, failed = ask(nvml.nvmlDeviceGetRemappedRows, card) or (0, 0, 0, 0)
        if pending:
            yield Fact(Code.ROW_REMAP_PENDING, count=corrected + uncorrected)
        if failed:
            yield Fact(Code.ROW_REMAP_FAILED, count=corrected + uncorrected)
        if ask(nvml.nvmlDeviceGetRetiredPagesPendingStatus, card) == nvml.NVML_FEATURE_ENABLED:
            yield Fact(Code.PAGES_PENDING)
        yield from self._slowdown(card)
        yield from self._links(card)

    def _slowdown(self, card: Any) -> Iterator[Fact]:
        nvml, ask = self._nvml, self._ask
        reasons = ask(nvml.nvmlDeviceGetCurrentClocksEventReasons, card)
        if reasons is None:  # drivers before 535
            reasons = ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, card) or 0
        if reasons & nvml.nvmlClocksThrottleReasonHwThermalSlowdown:
            yield Fact(Code.THERMAL_SLOWDOWN)
        if reasons & nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown:
            yield Fact(Code.POWER_BRAKE)

    def _links(self, card: Any) -> Iterator[Fact]:
        """Yield links that had to be trained anew; single replays and CRC errors are part of normal work."""
        nvml, ask = self._nvml, self._ask
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            if (state := ask(nvml.nvmlDeviceGetNvLinkState, card, link)) is None:
                return
            recovery = nvml.NVML_NVLINK_ERROR_DL_RECOVERY
            if state and (errors := ask(nvml.nvmlDeviceGetNvLinkErrorCounter, card, link, recovery)):
                yield Fact(Code.LINK_ERRORS, number=link, count=errors)


def _words(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
