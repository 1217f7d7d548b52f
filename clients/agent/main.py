"""moreh-agent: report a node's devices to the SDAManager and run workers on them."""

import asyncio
import ipaddress
import logging
import re
import shlex
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer

from clients import __version__
from clients.agent.agent import Agent
from clients.agent.bmc import bmc_address
from clients.agent.devices import DeviceReader, DevicesUnreadable, FakeDevices, find_devices
from clients.agent.enrol import enrol
from clients.agent.errors import JournalInUse
from clients.agent.machine import ThisMachine
from clients.agent.outputs import MIB, OutputLimits
from clients.agent.processes import ProcessRunner
from clients.agent.runner import FakeRunner, Runner
from clients.channel import Server, explain, sendable
from clients.errors import SettingError
from clients.secrets_on_disk import read_secret
from protocol import wire

# A name, but nothing like a number: 10.1 is 10.0.0.1 to old functions of C.
HOST = re.compile(
    r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?"
)

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Options:
    """Options of the command line."""

    server: Server
    state_dir: Path
    key_file: Path
    enrolment_key_file: Path | None
    name: str
    addresses: list[str]
    worker_command: str
    may_reset: bool
    reboot_command: str
    output_limits: OutputLimits


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def agent(  # noqa: PLR0917 - typer passes them by name
    server: Annotated[str | None, typer.Option(help="host:port; else MOREH_SERVER.")] = None,
    state_dir: Annotated[Path, typer.Option(help="Where the agent keeps its journal.")] = Path("/var/lib/moreh-agent"),
    key_file: Annotated[Path | None, typer.Option(help="Holds the node key; else node.key in --state-dir.")] = None,
    enrolment_key_file: Annotated[Path | None, typer.Option(help="Get a node key with this one-time key.")] = None,
    name: Annotated[str, typer.Option(help="The node's name; else the host's.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="Where clients reach workers; several, best first.")] = None,
    worker_command: Annotated[str, typer.Option(help="Starts a worker; it listens on $MOREH_WORKER_PORT.")] = "",
    allow_reset: Annotated[bool, typer.Option("--allow-reset", help="Repairs may reset devices.")] = False,
    reboot_command: Annotated[
        str, typer.Option(help='Reboots the node for a repair, like "systemctl reboot"; empty: it is never rebooted.')
    ] = "",
    log_size: Annotated[
        int, typer.Option(min=1, max=1_048_576, help="MiB of each worker's output that are kept.")
    ] = 64,
    log_total: Annotated[int, typer.Option(min=32, max=16_777_216, help="MiB of all outputs together.")] = 4096,
    log_days: Annotated[
        int, typer.Option(min=1, max=3650, help="Days that the output of an ended worker is kept.")
    ] = 7,
    log_rate: Annotated[
        int,
        typer.Option(min=1, max=1024, help="MiB a second of each worker that are kept; what is faster is left out."),
    ] = 4,
    fake_devices: Annotated[int, typer.Option(min=0, max=wire.MAX_DEVICES, help="Simulate so many devices.")] = 0,
    fake_model: Annotated[str, typer.Option(help="Model of the simulated devices.")] = "MI250",
    fake_memory: Annotated[int, typer.Option(min=1, max=2**31 - 1, help="Memory of each, MiB.")] = 65_536,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Find the devices (NVML, amd-smi, rocm-smi or nvidia-smi), keep a stream to the manager, carry out its orders.

    Reconnects for ever. Workers that are processes outlive the agent; the next one takes them over.
    Exit codes: 0 stopped by a signal, 1 no devices, no key, another agent in the folder, or a setting that
    means nothing.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    devices = FakeDevices(fake_devices, fake_model, fake_memory) if fake_devices else find_devices()
    try:
        options = Options(
            server=Server.from_env(server),
            state_dir=state_dir,
            key_file=key_file or state_dir / "node.key",
            enrolment_key_file=enrolment_key_file,
            name=sendable(name or socket.gethostname()),
            addresses=[_address(one) for one in address or []],
            worker_command=worker_command,
            may_reset=allow_reset,
            reboot_command=reboot_command,
            output_limits=OutputLimits(log_size * MIB, log_total * MIB, log_days, log_rate * MIB),
        )
        asyncio.run(_run(options, devices))
    except (SettingError, DevicesUnreadable, OSError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    except JournalInUse as error:
        typer.echo(f"Another agent works with {error}.", err=True)
        raise typer.Exit(1) from error


async def _run(options: Options, devices: DeviceReader | None) -> None:
    if devices is None:
        raise SettingError("No amd-smi, rocm-smi or nvidia-smi here; use --fake-devices to simulate devices.")
    addresses = options.addresses or [own_address(options.server)]
    key = await _key(options, devices, addresses)
    running = Agent(
        options.server,
        key,
        options.state_dir,
        devices,
        _runner(options, devices, addresses[0]),
        host_name=options.name,
        addresses=addresses,
        bmc_address=await bmc_address(),
        machine=ThisMachine(devices, may_reset=options.may_reset, reboot_command=options.reboot_command),
    )
    await running.start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    over = asyncio.create_task(running.wait())
    await asyncio.wait({over, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await running.stop()
    await over


async def _key(options: Options, devices: DeviceReader, addresses: list[str]) -> str:
    if key := read_secret(options.key_file):
        return key
    if options.enrolment_key_file is None:
        raise SettingError(f"There is no node key in {options.key_file}; get one with --enrolment-key-file.")
    enrolment_key = read_secret(options.enrolment_key_file)
    if not enrolment_key:
        raise SettingError(f"There is no enrolment key in {options.enrolment_key_file}.")
    try:
        return await enrol(
            options.server, enrolment_key, options.key_file, name=options.name, addresses=addresses, devices=devices
        )
    except grpc.aio.AioRpcError as error:
        raise SettingError(explain(error, options.server)) from error


def _runner(options: Options, devices: DeviceReader, host: str) -> Runner:
    if options.worker_command:
        _require_command(options.worker_command)
        return ProcessRunner(options.worker_command, options.state_dir / "workers", host, options.output_limits)
    if isinstance(devices, FakeDevices):
        return FakeRunner(host)
    raise SettingError("Real devices need --worker-command.")


def _require_command(command: str) -> None:
    try:
        split = shlex.split(command)
    except ValueError as error:
        raise SettingError(f"--worker-command cannot be read: {error}.") from error
    if not split:
        raise SettingError("--worker-command is blank.")


def _address(address: str) -> str:
    """Return an address of this host from the command line. Raises SettingError for what no worker could listen on."""
    try:
        if not HOST.fullmatch(address):
            ipaddress.ip_address(address)
        socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: no address, or a name with an empty or too long label
        text = f"--address is {sendable(address)!r}: an IP address or a name of this host is expected."
        raise SettingError(text) from error
    return address


def own_address(server: Server) -> str:
    """Return the address from which this host speaks to the server; nothing is sent. Raises SettingError."""
    host, _, port = server.address.rpartition(":")
    try:
        family, kind, *_, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except (OSError, UnicodeError) as error:  # UnicodeError: a name with an empty or too long label
        why = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise SettingError(f"No way to the server {server.address} was found: {why}. --address needs none.") from error


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-agent")


if __name__ == "__main__":
    main()
