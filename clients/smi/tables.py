"""How accelerators look on a terminal."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from protocol.v1 import accelerators_pb2 as pb

WIDEST = 1000  # columns: cells are never cut off, neither in a narrow terminal nor in a pipe


def show(*tables: Table) -> None:
    """Print tables as wide as they need to be."""
    console = Console(highlight=False, width=WIDEST)
    for table in tables:
        console.print(table)


def sdas(listed: Iterable[pb.Sda]) -> Table:
    """Make the table of SDAs, `*` before the current one."""
    table = _table("Device", "Name", "Model", "Memory Usage", "Total Memory", "Utilization")
    for sda in listed:
        busy = bool(sda.devices)
        table.add_row(
            f"{'*' if sda.current else ' '} {sda.number}",
            sda.name or "-",
            sda.model_name,
            _mib(sda.used_memory_mib) if busy else "-",
            _mib(sda.total_memory_mib),
            f"{sda.utilization_percent:.0f} %" if busy else "-",
        )
    return table


def processes(listed: Iterable[pb.Sda]) -> Table:
    """Make the table of what runs on the SDAs."""
    table = _table("Device", "Job ID", "PID", "Process", "Status", "Memory Usage", title="Processes")
    for sda in listed:
        for process in sda.processes:
            name, status = process.process_name or "-", process.status.lower() or "-"
            memory = _mib(process.used_memory_mib)
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
                f"{device.used_memory_mib} / {_mib(device.total_memory_mib)}",
                f"{device.temperature_celsius:.0f} °C",
                f"{device.power_watts:.0f} W",
                f"{device.utilization_percent:.0f} %",
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


def _mib(amount: int) -> str:
    return f"{amount} MiB"
