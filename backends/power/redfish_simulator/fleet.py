"""Many simulated Redfish BMCs in one event loop."""

import asyncio
from collections.abc import Iterable
from typing import Any

from backends.power.driver import BmcAddress
from backends.power.redfish_simulator.bmc import RedfishBmc
from backends.power.redfish_simulator.certificate import ServerCertificate

BACKLOG = 16
CHUNK = 1 << 14


async def start_redfish_bmc(bmc: RedfishBmc, address: BmcAddress, certificate: ServerCertificate) -> RedfishBmc:
    """Start a BMC on a TCP address (port 0: any free port) and return it; raises OSError if it is taken."""
    context = certificate.context()
    bmc.server = await asyncio.start_server(
        bmc.connected, address.host, address.port, ssl=context, backlog=BACKLOG, limit=CHUNK
    )
    bmc.address = BmcAddress(*bmc.server.sockets[0].getsockname()[:2])
    return bmc


async def start_redfish_fleet(
    addresses: Iterable[BmcAddress], certificate: ServerCertificate, **settings: Any
) -> list[RedfishBmc]:
    """Start one BMC per address, all with one certificate; `settings` are those of `RedfishBmc`."""
    return [await start_redfish_bmc(RedfishBmc(**settings), address, certificate) for address in addresses]
