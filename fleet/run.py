import asyncio
import logging
import signal
from pathlib import Path

from clients.channel import Server
from fleet.customers import Customers
from fleet.faults import cause_faults
from fleet.node import Node
from fleet.roster import DEVICES, bmc_certificate, read_roster

logger = logging.getLogger("fleet")


async def run_fleet(data_dir: Path, server: Server, nodes: int, jobs: int, faults: int = 0) -> None:
    """Run BMCs, agents and customers until SIGTERM; say `ready` on stdout when the manager knows all nodes.

    `jobs`: a minute; `faults`: an hour, in the whole fleet.
    """
    roster = read_roster(data_dir)
    if roster is None:
        raise FileNotFoundError(f"{data_dir} holds no fleet: it is seeded by `manage.py prepare`.")
    folder = data_dir / "fleet"
    machines = [Node(seeded, server, folder) for seeded in roster.nodes[:nodes]]
    certificate = bmc_certificate(data_dir)
    for machine in machines:
        try:
            await machine.start_bmc(roster.bmc_user, roster.bmc_password, certificate)
        except OSError as error:
            raise SystemExit(f"The BMC of {machine.name} cannot listen ({error.strerror}); start again.") from error
    fitting = [customer for customer in roster.customers if customer.devices <= DEVICES * len(machines)]
    lives = [asyncio.create_task(machine.live()) for machine in machines]
    lives.append(asyncio.create_task(Customers(fitting, server, folder).live(jobs)))
    books = {machine.name: machine.faults for machine in machines}
    lives.append(asyncio.create_task(cause_faults(books, DEVICES, faults)))
    lives.append(asyncio.create_task(_report_ready(machines)))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ended = asyncio.create_task(stop.wait())
    await _first_failure(lives, ended)


async def _report_ready(machines: list[Node]) -> None:
    await asyncio.gather(*(machine.up() for machine in machines))
    print("ready", flush=True)
    logger.info("%d nodes are up", len(machines))


async def _first_failure(lives: list["asyncio.Task[None]"], ended: "asyncio.Task[bool]") -> None:
    """Wait for the end; a life that fails ends all."""
    waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {*lives, ended}
    while ended in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
