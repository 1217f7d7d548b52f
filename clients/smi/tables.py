"""Accelerators as tables on a terminal."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from protocol.v1 import accelerators_pb2 as pb

WIDEST = 1000  # columns: cells are never cut off, neither in a narrow terminal nor in a pipe


def show(*tables: Table) -> None:
    """Print tables as wide as they need to be, with every name as it is: a name is never read as markup."""
    console = Console(highlight=False, markup=False, emoji=False, width=WIDEST)
    for table in tables:
        console.print(table)


def sdas(listed: Iterable[pb.Sda]) -> Table:
    """Make the table of SDAs, `*` before the current one."""
    table = _table("Device", "Name", "Model", "Memory Usage", "Total Memory", "Utilization")
    for sda in listed:
        table.add_row(
            f"{'*' if sda.current else ' '} {sda.number}",
            sda.name or "-",
            sda.model_name,
            _mib(sda.used_memory_mib) if sda.HasField("used_memory_mib") else "-",
            _total(sda.total_memory_mib),
            _figure(sda, "utilization_percent", "%"),
        )
    return table


def processes(listed: Iterable[pb.Sda]) -> Table:
    """Make the table of what runs on the SDAs."""
    table = _table("Device", "Job ID", "PID", "Process", "Status", "Memory Usage", title="Processes")
    for sda in listed:
        for process in sda.processes:
            name, status = process.process_name or "-", process.status.lower() or "-"
            memory = _mib(process.used_memory_mib) if process.HasField("used_memory_mib") else "-"
            table.add_row(str(sda.number), str(process.job_id), str(process.pid or "-"), name, status, memory)
    return table


def hardware(listed: Iterable[pb.Sda]) -> Table:
    """Make the table of the physical devices that the SDAs hold now."""
    table = _table(
        "Device", "Host", "Index", "Model", "Memory", "Temperature", "Power", "Utilization", title="Hardware"
    )
    for sda in listed:
        for device in sda.devices:
            table.add_row(
                str(sda.number),
                device.host,
                str(device.index),
                device.model,
                f"{_figure(device, 'used_memory_mib')} / {_total(device.total_memory_mib)}",
                _figure(device, "temperature_celsius", "°C"),
                _figure(device, "power_watts", "W"),
                _figure(device, "utilization_percent", "%"),
            )
    return table


def models(listed: Sequence[pb.Model]) -> Table:
    """Make the numbered table of models, with their groups when there are several."""
    grouped = len({model.model_group_id for model in listed}) > 1
    table = _table("", "Model", "Devices", *(["Group"] if grouped else []))
    for number, model in enumerate(listed, start=1):
        group = [model.model_group_name or "-"] if grouped else []
        table.add_row(f"{'*' if model.current else ' '} {number}", model.name, str(model.device_count), *group)
    return table


def _table(*columns: str, title: str = "") -> Table:
    table = Table(box=box.ASCII2, title=title or None, title_justify="left", title_style="")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _figure(row: pb.Sda | pb.HeldDevice, name: str, unit: str = "") -> str:
    """Return a measured value with its unit; a dash when it was not measured."""
    return f"{getattr(row, name):.0f} {unit}".rstrip() if row.HasField(name) else "-"  # type: ignore[arg-type]


def _mib(amount: int) -> str:
    return f"{amount} MiB"


def _total(amount: int) -> str:
    """Return how much memory there is; a dash for 0, which stands for what could not be read."""
    return _mib(amount) if amount else "-"
