"""Public GPU-cluster traces (Alibaba 2023, Helios, Acme) and exports of jobs; the columns show which one a file is.

Device models (model, gpu_spec) are ignored: any job may run on any node.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import ceil
from pathlib import Path
from unicodedata import category

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories that no name in the database may contain
MAX_NODE_DEVICES = 64
MAX_NUMBER = 10**15
MISSING = frozenset({"", "none", "null", "nan", "nat", "unknown"})
QOS_PRIORITY = {"LSR": 20, "Guaranteed": 20, "LS": 10, "Burstable": 0, "BE": -10}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TraceError(ValueError):
    """A file that cannot be replayed; the message has the file, the line and the column."""

    def __init__(self, path: Path, line: int, column: str, problem: str) -> None:
        where = f"{path}, line {line}" + (f", column {column}" if column else "")
        super().__init__(f"{where}: {problem}")


@dataclass(frozen=True, slots=True)
class TraceNode:
    """A node of a trace; `rack` is "" if it is unknown."""

    name: str
    devices: int
    rack: str = ""


@dataclass(frozen=True, slots=True)
class TraceJob:
    """A job that ran: when it was submitted, how long it held its devices, and its time limit, in ms."""

    name: str
    user: str
    devices: int
    priority: int
    submitted_ms: int
    run_ms: int
    limit_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The jobs in the order of their submission, and how many were left out by cause."""

    jobs: tuple[TraceJob, ...]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a kind of trace; `user` is the customer."""

    name: str
    user: str
    devices: str
    submitted: str
    started: str
    ended: str
    qos: str | None = None
    priority: str | None = None
    limit: str | None = None

    def needed(self) -> list[str]:
        """Return the columns that a file must have."""
        own = [column for column in (self.priority, self.limit) if column]
        return [self.name, self.user, self.devices, self.submitted, self.started, self.ended, *own]


# Alibaba has no users: the jobs of one class of service count as one customer's.
ALIBABA = Columns("name", "qos", "num_gpu", "creation_time", "scheduled_time", "deletion_time", qos="qos")
HELIOS = Columns("job_id", "user", "gpu_num", "submit_time", "start_time", "end_time")
HISTORY = Columns(
    "id", "token_id", "num_devices", "requested_at", "submitted_at", "ended_at", priority="priority"
)  # of the console
JOB_LIST = Columns("id", "token", "num_devices", "asked", "submitted", "ended", priority="priority")
# REST has no time at which a job got its devices. A token's value is a secret, so its description is the user.
REST = Columns(
    *("id", "token.description", "deviceCount", "requestTime", "startTime", "endTime"),
    priority="priority",
    limit="timeLimit",
)
KINDS = (ALIBABA, HELIOS, HISTORY, JOB_LIST, REST)


def read_nodes(path: Path) -> tuple[TraceNode, ...]:
    """Return the nodes of a list with the columns sn, gpu and perhaps rack, without those that have no devices.

    Raises TraceError.
    """
    nodes: dict[str, TraceNode] = {}
    for row in _rows(path, lambda header: _missing(header, ["sn", "gpu"])):
        name, devices = row.text("sn"), row.count("gpu")
        if name in nodes:
            raise row.error("sn", f"node {name!r} is listed twice")
        if devices > MAX_NODE_DEVICES:
            raise row.error("gpu", f"a node has at most {MAX_NODE_DEVICES} devices, not {devices}")
        rack = row.printable("rack").strip() if "rack" in row.cells else ""
        nodes[name] = TraceNode(name, devices, rack)
    return tuple(node for node in nodes.values() if node.devices)


def read_jobs(path: Path) -> Trace:
    """Return the jobs of a list of any kind. Raises TraceError.

    Left out are jobs without devices, jobs that never ran, and jobs without an end. A fraction of a device counts as a
    whole one.
    """
    jobs: list[TraceJob] = []
    left_out: Counter[str] = Counter()
    for row in _rows(path, _unlike_any_trace):
        columns = next(kind for kind in KINDS if set(kind.needed()) <= row.cells.keys())
        job = _job(row, columns)
        if isinstance(job, str):
            left_out[job] += 1
        else:
            jobs.append(job)
    return Trace(tuple(sorted(jobs, key=lambda job: job.submitted_ms)), left_out)


@dataclass(frozen=True, slots=True)
class _Row:
    path: Path
    line: int
    cells: Mapping[str, str]

    def error(self, column: str, problem: str) -> TraceError:
        """Return an error about a column of this row."""
        return TraceError(self.path, self.line, column, problem)

    def text(self, column: str) -> str:
        """Return a text. Raises TraceError if it is empty."""
        value = self.printable(column).strip()
        if not value:
            raise self.error(column, "is empty")
        return value

    def printable(self, column: str) -> str:
        """Return a text, which may be empty. Raises TraceError for control characters and line breaks."""
        value = self.cells[column]
        if any(category(sign) in UNPRINTABLE for sign in value):
            raise self.error(column, f"{value!r} holds a control character or a line break")
        return value

    def count(self, column: str) -> int:
        """Return a number of devices; a fraction is rounded up."""
        value = _number(self.cells[column])
        if value is None or value < 0:
            raise self.error(column, f"{self.cells[column]!r} is not a number of devices")
        return ceil(value)

    def whole(self, column: str) -> int:
        """Return a whole number."""
        value = _number(self.cells[column])
        if value is None or value != int(value):
            raise self.error(column, f"{self.cells[column]!r} is not a whole number")
        return int(value)

    def time_ms(self, column: str) -> int | None:
        """Return a time in ms, from seconds since any start or from a timestamp (UTC by default); None if absent."""
        value = self.cells[column].strip()
        if value.lower() in MISSING:
            return None
        seconds = _number(value)
        time_ms = _timestamp_ms(value) if seconds is None else round(seconds * 1000)
        if time_ms is None:
            raise self.error(column, f"{value!r} is neither seconds nor a timestamp")
        return time_ms


def _job(row: _Row, columns: Columns) -> TraceJob | str:
    """Return a job, or the cause for which it is left out."""
    devices = row.count(columns.devices)
    if not devices:
        return "no devices"
    submitted, started, ended = (row.time_ms(c) for c in (columns.submitted, columns.started, columns.ended))
    if submitted is None:
        raise row.error(columns.submitted, "is empty")
    if started is None:
        return "never ran"
    if ended is None:
        return "end unknown"
    if ended < started:
        raise row.error(columns.ended, f"lies before {columns.started}")
    limit = row.time_ms(columns.limit) if columns.limit else None
    user = row.printable(columns.user)
    return TraceJob(row.text(columns.name), user, devices, _priority(row, columns), submitted, ended - started, limit)


def _priority(row: _Row, columns: Columns) -> int:
    if columns.priority:
        return row.whole(columns.priority)
    return QOS_PRIORITY.get(row.cells[columns.qos], 0) if columns.qos else 0


def _rows(path: Path, complain: Callable[[list[str]], str]) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            if problem := complain(header):
                raise TraceError(path, 1, "", problem)
            for cells in reader:
                if cells:
                    yield _row(path, reader.line_num, header, cells)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TraceError(path, reader.line_num + 1, "", f"not readable as CSV: {error}") from error


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(header):
        raise TraceError(path, line, "", f"{len(cells)} cells where the header has {len(header)}")
    return _Row(path, line, dict(zip(header, cells, strict=True)))


def _missing(header: list[str], needed: list[str]) -> str:
    missing = [column for column in needed if column not in header]
    return f"no column {', '.join(missing)}" if missing else ""


def _unlike_any_trace(header: list[str]) -> str:
    if not all(_missing(header, kind.needed()) for kind in KINDS):
        return ""
    alibaba, helios = _missing(header, ALIBABA.needed()), _missing(header, HELIOS.needed())
    own = "and no export of jobs by the console or by REST"
    return f"no trace that we know: for Alibaba 2023, {alibaba}; for Helios or Acme, {helios}; {own}"


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) <= MAX_NUMBER else None


def _timestamp_ms(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(milliseconds=1)
