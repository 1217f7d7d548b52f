"""A stand-in for the library libnvidia-ml.so.1 below NVIDIA's own Python package, at the boundary of ctypes.

Each of its functions takes what the package passes to the C function, and writes through the same pointers.
"""

import ctypes
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pynvml

OK: int = pynvml.NVML_SUCCESS
NOT_SUPPORTED: int = pynvml.NVML_ERROR_NOT_SUPPORTED
LOST: int = pynvml.NVML_ERROR_GPU_IS_LOST
TIMEOUT: int = pynvml.NVML_ERROR_TIMEOUT


@dataclass
class Card:
    """A card; a value of None is not supported by it."""

    uuid: str = "GPU-1"
    lost: bool = False
    temperature: int | None = 41
    utilization: int | None = 7
    volatile: int | None = 0
    aggregate: int | None = 0
    remapped: tuple[int, int, int, int] | None = (0, 0, 0, 0)
    pending: int | None = None
    reasons: int | None = 0
    links: dict[int, int] | None = field(default_factory=dict)


class NvmlLibrary:
    """A library with some cards; `xids` is what the driver will report; a call waits while `gate` is not set."""

    def __init__(self, cards: list[Card]) -> None:
        self.cards = cards
        self.xids: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self.gate: Callable[[], object] = lambda: None
        self.handles = [ctypes.c_int(index) for index in range(len(cards))]

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            return lambda *_: NOT_SUPPORTED
        return lambda *arguments: FUNCTIONS[name](self, *arguments)

    def card(self, handle: Any) -> Card:
        """Return the card of a handle."""
        return self.cards[ctypes.cast(handle, ctypes.POINTER(ctypes.c_int)).contents.value]

    def point(self, target: Any, index: int) -> None:
        """Write a card's handle."""
        pointer = ctypes.cast(ctypes.pointer(self.handles[index]), pynvml.c_nvmlDevice_t)
        ctypes.memmove(ctypes.addressof(target), ctypes.addressof(pointer), ctypes.sizeof(pointer))


def set_to(pointer: Any, value: int | None) -> int:
    """Write an integer through a pointer; None: not supported."""
    if value is None:
        return NOT_SUPPORTED
    pointer._obj.value = value
    return OK


def handle_of(library: NvmlLibrary, index: Any, pointer: Any) -> int:
    library.gate()
    number = getattr(index, "value", index)
    if library.cards[number].lost:
        return LOST
    library.point(pointer._obj, number)
    return OK


def memory_of(library: NvmlLibrary, card: Any, pointer: Any) -> int:
    pointer._obj.total, pointer._obj.used = 81559 * 1024**2, 1024**2
    return OK


def use_of(library: NvmlLibrary, card: Any, pointer: Any) -> int:
    if (use := library.card(card).utilization) is None:
        return NOT_SUPPORTED
    pointer._obj.gpu = use
    return OK


def text_of(text: Callable[[Card], str]) -> Callable[..., int]:
    def write(library: NvmlLibrary, card: Any, target: Any, _length: Any) -> int:
        target.value = text(library.card(card)).encode()
        return OK

    return write


def driver(library: NvmlLibrary, target: Any, _length: Any) -> int:
    target.value = b"550.90.07"
    return OK


def pci_of(library: NvmlLibrary, card: Any, pointer: Any) -> int:
    pointer._obj.busId = b"00000000:1B:00.0"
    return OK


def ecc_of(library: NvmlLibrary, card: Any, _kind: Any, scope: Any, pointer: Any) -> int:
    known = library.card(card)
    return set_to(pointer, known.volatile if scope.value == pynvml.NVML_VOLATILE_ECC else known.aggregate)


def rows_of(library: NvmlLibrary, card: Any, *pointers: Any) -> int:
    if (rows := library.card(card).remapped) is None:
        return NOT_SUPPORTED
    for pointer, value in zip(pointers, rows, strict=True):
        pointer._obj.value = value
    return OK


def link_state(library: NvmlLibrary, card: Any, link: Any, pointer: Any) -> int:
    links = library.card(card).links
    return set_to(pointer, None if links is None else int(getattr(link, "value", link) in links))


def link_errors(library: NvmlLibrary, card: Any, link: Any, _counter: Any, pointer: Any) -> int:
    return set_to(pointer, (library.card(card).links or {}).get(getattr(link, "value", link)))


def wait(library: NvmlLibrary, _events: Any, pointer: Any, _timeout: Any) -> int:
    try:
        index, xid = library.xids.get(timeout=0.02)
    except queue.Empty:
        return TIMEOUT
    library.point(pointer._obj, index)  # the device is the first field
    pointer._obj.eventType, pointer._obj.eventData = pynvml.nvmlEventTypeXidCriticalError, xid
    return OK


FUNCTIONS: dict[str, Callable[..., int]] = {
    "nvmlInitWithFlags": lambda _library, _flags: OK,
    "nvmlInit_v2": lambda _library: OK,
    "nvmlSystemGetDriverVersion": driver,
    "nvmlDeviceGetCount_v2": lambda library, pointer: set_to(pointer, len(library.cards)),
    "nvmlDeviceGetHandleByIndex_v2": handle_of,
    "nvmlDeviceGetMemoryInfo": memory_of,
    "nvmlDeviceGetUtilizationRates": use_of,
    "nvmlDeviceGetName": text_of(lambda _card: "NVIDIA H100 80GB HBM3"),
    "nvmlDeviceGetUUID": text_of(lambda card: card.uuid),
    "nvmlDeviceGetSerial": text_of(lambda _card: "1650123000042"),
    "nvmlDeviceGetVbiosVersion": text_of(lambda _card: "96.00.74.00.01"),
    "nvmlDeviceGetPciInfo_v3": pci_of,
    "nvmlDeviceGetTemperature": lambda library, card, _sensor, pointer: set_to(pointer, library.card(card).temperature),
    "nvmlDeviceGetTotalEccErrors": ecc_of,
    "nvmlDeviceGetRemappedRows": rows_of,
    "nvmlDeviceGetRetiredPagesPendingStatus": lambda library, card, pointer: set_to(
        pointer, library.card(card).pending
    ),
    "nvmlDeviceGetCurrentClocksThrottleReasons": lambda library, card, pointer: set_to(
        pointer, library.card(card).reasons
    ),
    "nvmlDeviceGetNvLinkState": link_state,
    "nvmlDeviceGetNvLinkErrorCounter": link_errors,
    "nvmlEventSetCreate": lambda _library, _pointer: OK,
    "nvmlDeviceRegisterEvents": lambda _library, _card, _types, _events: OK,
    "nvmlEventSetWait_v2": wait,
}
