"""moreh-agent: report a node's devices to the SDAManager and run workers on them."""

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer

from clients import __version__
from clients.agent.agent import Agent
from clients.agent.book import BookInUse
from clients.agent.devices import Devices, FakeDevices, find_devices
from clients.agent.enrol import enrol
from clients.agent.processes import ProcessRunner
from clients.agent.runner import FakeRunner, Runner
from clients.channel import Server, explain
from clients.secrets_on_disk import read_secret

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


class CannotRun(Exception):
    """Something that the agent needs is missing; the text says what."""


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    server: Server
    state_dir: Path
    key_file: Path
    enrolment_key_file: Path | None
    name: str
    addresses: list[str]
    worker_command: str


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def agent(  # noqa: PLR0917 - typer passes them by name
    server: Annotated[str | None, typer.Option(help="host:port; else MOREH_SERVER.")] = None,
    state_dir: Annotated[Path, typer.Option(help="Where the agent keeps its book.")] = Path("/var/lib/moreh-agent"),
    key_file: Annotated[Path | None, typer.Option(help="Holds the node key; else node.key in --state-dir.")] = None,
    enrolment_key_file: Annotated[Path | None, typer.Option(help="Get a node key with this one-time key.")] = None,
    name: Annotated[str, typer.Option(help="The node's name; else the host's.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="Where clients reach workers; several, best first.")] = None,
    worker_command: Annotated[str, typer.Option(help="Starts a worker; it listens on $MOREH_WORKER_PORT.")] = "",
    fake_devices: Annotated[int, typer.Option(min=0, max=32, help="Simulate so many devices.")] = 0,
    fake_model: Annotated[str, typer.Option(help="Model of the simulated devices.")] = "MI250",
    fake_memory: Annotated[int, typer.Option(min=1, help="Memory of each, MiB.")] = 65_536,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Find the devices (amd-smi, rocm-smi or nvidia-smi), keep a stream to the manager, carry out its orders.

    Reconnects for ever. Workers that are processes outlive the agent; the next one takes them over.
    Exit codes: 0 stopped by a signal, 1 no devices, no key, or another agent in the folder.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options = Options(
        server=Server.from_env(server),
        state_dir=state_dir,
        key_file=key_file or state_dir / "node.key",
        enrolment_key_file=enrolment_key_file,
        name=name or socket.gethostname(),
        addresses=address or [],
        worker_command=worker_command,
    )
    devices = FakeDevices(fake_devices, fake_model, fake_memory) if fake_devices else find_devices()
    try:
        asyncio.run(_run(options, devices))
    except (CannotRun, OSError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    except BookInUse as error:
        typer.echo(f"Another agent works with {error}.", err=True)
        raise typer.Exit(1) from error


async def _run(options: Options, devices: Devices | None) -> None:
    if devices is None:
        raise CannotRun("No amd-smi, rocm-smi or nvidia-smi here; use --fake-devices to simulate devices.")
    addresses = options.addresses or [_own_address(options.server)]
    key = await _key(options, devices, addresses)
    running = Agent(
        options.server,
        key,
        options.state_dir,
        devices,
        _runner(options, devices, addresses[0]),
        host_name=options.name,
        addresses=addresses,
    )
    await running.start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    over = asyncio.create_task(running.wait())
    await asyncio.wait({over, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await running.stop()
    await over


async def _key(options: Options, devices: Devices, addresses: list[str]) -> str:
    if key := read_secret(options.key_file):
        return key
    if options.enrolment_key_file is None:
        raise CannotRun(f"There is no node key in {options.key_file}; get one with --enrolment-key-file.")
    enrolment_key = read_secret(options.enrolment_key_file)
    try:
        return await enrol(
            options.server, enrolment_key, options.key_file, name=options.name, addresses=addresses, devices=devices
        )
    except grpc.aio.AioRpcError as error:
        raise CannotRun(explain(error, options.server)) from error


def _runner(options: Options, devices: Devices, host: str) -> Runner:
    if options.worker_command:
        return ProcessRunner(options.worker_command, options.state_dir / "workers", host)
    if isinstance(devices, FakeDevices):
        return FakeRunner(host)
    raise CannotRun("Real devices need --worker-command.")


def _own_address(server: Server) -> str:
    """Find the address from which this host speaks to the server; nothing is sent."""
    host, _, port = server.address.rpartition(":")
    family, kind, *_, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-agent")


if __name__ == "__main__":
    main()
