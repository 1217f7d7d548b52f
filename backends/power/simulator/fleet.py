"""Many simulated BMCs in one event loop."""

import asyncio
from collections.abc import Iterable

from backends.power.driver import BmcAddress, PowerState
from backends.power.simulator.bmc import OnPower, SimulatedBmc


async def start_bmc(bmc: SimulatedBmc, address: BmcAddress) -> SimulatedBmc:
    """Start a BMC on a UDP address (port 0: any free port) and return it; raises OSError if it is taken."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: bmc, local_addr=(address.host, address.port))
    return bmc


async def start_fleet(
    addresses: Iterable[BmcAddress],
    *,
    user: bytes,
    password: bytes,
    state: PowerState = PowerState.ON,
    delay: float = 0.0,
    on_power: OnPower | None = None,
) -> list[SimulatedBmc]:
    """Start one BMC per address in the running loop; `delay` is the seconds a node takes to change its power."""
    return [
        await start_bmc(SimulatedBmc(user, password, state=state, delay=delay, on_power=on_power), address)
        for address in addresses
    ]
