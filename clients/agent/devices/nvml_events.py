"""XID errors, which NVIDIA's driver reports as events."""

import contextlib
import ctypes
import threading
from typing import Any

from clients.agent.devices.facts import XID_HOLDS, Code, Fact, FactMemory

WAIT_MS = 1000
PAUSE = 1.0  # seconds after an error of the library


class XidThread(threading.Thread):
    """Waits for XID events of all cards and notes them in a memory. A daemon thread: it may hang with the driver.

    Cards are registered as it is made: no event after that is missed, also of a card that is lost by then.
    """

    def __init__(self, nvml: Any, memory: FactMemory) -> None:
        super().__init__(name="nvml-xid", daemon=True)
        self._nvml = nvml
        self._memory = memory
        self.over = threading.Event()
        self._indexes: dict[int | None, int] = {}
        self._events: Any = None  # none on a driver without events
        with contextlib.suppress(nvml.NVMLError):
            self._register_all()

    def run(self) -> None:
        """Wait for events until `over` is set."""
        while self._events is not None and not self.over.is_set():
            self._wait()

    def _register_all(self) -> None:
        cards = self._cards()
        self._events = self._nvml.nvmlEventSetCreate()
        for card in cards.values():
            self._register(card)
        self._indexes = {_address(card): index for index, card in cards.items()}

    def _cards(self) -> dict[int, Any]:
        cards = {}
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                cards[index] = self._nvml.nvmlDeviceGetHandleByIndex(index)
            except self._nvml.NVMLError:
                continue  # a card that is lost already
        return cards

    def _register(self, card: Any) -> None:
        nvml = self._nvml
        try:
            nvml.nvmlDeviceRegisterEvents(card, nvml.nvmlEventTypeXidCriticalError, self._events)
        except nvml.NVMLError:
            return  # this card has none

    def _wait(self) -> None:
        nvml = self._nvml
        try:
            event = nvml.nvmlEventSetWait_v2(self._events, WAIT_MS)
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_TIMEOUT:
                self.over.wait(PAUSE)
            return
        index = self._indexes.get(_address(event.device))
        if index is not None and event.eventType == nvml.nvmlEventTypeXidCriticalError:
            self._memory.note(index, Fact(Code.XID, number=event.eventData), XID_HOLDS, event=True)


def _address(card: Any) -> int | None:
    """Return the address of a card's handle; a lost card cannot be asked for its index any more."""
    return ctypes.cast(card, ctypes.c_void_p).value
