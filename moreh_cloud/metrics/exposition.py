"""Series in the text format of Prometheus and in OpenMetrics, where there are too many for objects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan

UNITS = ("seconds", "celsius", "ratio", "bytes", "watts")
CHUNK = 2_000  # series that are sent together


@dataclass(frozen=True, slots=True)
class GaugeText:
    """The name and the help of a gauge; the help has no line feed, quotation mark or backslash."""

    name: str
    text: str

    def head(self, *, openmetrics: bool) -> str:
        """Return the lines in front of its series."""
        lines = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} gauge"]
        unit = self.name.rpartition("_")[2]
        if openmetrics and unit in UNITS:
            lines.append(f"# UNIT {self.name} {unit}")
        return "\n".join(lines) + "\n"

    def series(self, labels: Sequence[str], values: Iterable[float]) -> Iterator[bytes]:
        """Yield its series, many in each chunk; those whose value is not known (NaN) are left out."""
        name = self.name
        pairs = zip(labels, values, strict=True)
        yield from chunks(f"{name}{{{label}}} {value!r}\n" for label, value in pairs if not isnan(value))


def label(name: str, value: str) -> str:
    """Return a label; what would end its value or its line is escaped."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'{name}="{escaped}"'


def chunks(lines: Iterator[str]) -> Iterator[bytes]:
    """Yield lines, many together."""
    while chunk := "".join(islice(lines, CHUNK)):
        yield chunk.encode()
