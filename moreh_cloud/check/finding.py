"""Result of a probe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """State of a part of the product."""

    OK = "ok"
    DEGRADED = "degraded"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PartFinding:
    """Result of a probe: the state, how long it took (ms), and for staff a detail, counts, and ages in seconds."""

    status: Status
    latency: float = 0.0
    detail: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)
