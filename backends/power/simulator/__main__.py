"""`python -m backends.power.simulator --count 16 --first-port 6230`: a fleet of simulated BMCs as a process.

The first line on stdin is {"user": …, "password": …}. Then JSON lines, each answered by one line on stdout:
{"do": "book", "bmc": 0}, {"do": "faults", "bmc": 0, "set": {"black_hole": true}} and
{"do": "password", "bmc": 0, "password": …}. It ends with stdin.
"""

import argparse
import asyncio
import dataclasses
import json
import resource
import sys
from ipaddress import ip_address
from typing import Any

from backends.power.driver import BmcAddress, PowerState
from backends.power.simulator.bmc import SimulatedBmc
from backends.power.simulator.fleet import start_fleet


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="simulated BMCs; the login comes on stdin")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first-host", default="127.0.0.1")
    parser.add_argument("--first-port", type=int, default=623)
    parser.add_argument("--one-host-each", action="store_true", help="one address each at one port, not one port each")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds a node takes to change its power")
    parser.add_argument("--off", action="store_true", help="nodes start powered off")
    return parser.parse_args()


def _address(options: argparse.Namespace, index: int) -> BmcAddress:
    if options.one_host_each:
        return BmcAddress(str(ip_address(options.first_host) + index), options.first_port)
    return BmcAddress(options.first_host, options.first_port and options.first_port + index)


def _answer(fleet: list[SimulatedBmc], order: dict[str, Any]) -> dict[str, Any]:
    bmc = fleet[order["bmc"]]
    if order["do"] == "password":
        bmc.password = order["password"].encode()
        return {}
    if order["do"] == "faults":
        bmc.faults = dataclasses.replace(bmc.faults, **order["set"])
        return {"faults": dataclasses.asdict(bmc.faults)}
    book = [dataclasses.asdict(line) for line in bmc.chassis.book]
    return {"state": bmc.chassis.state, "logins": bmc.logins, "book": book}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def main() -> None:
    options = _options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    login = json.loads(await lines.readline())
    fleet = await start_fleet(
        [_address(options, index) for index in range(options.count)],
        user=login["user"].encode(),
        password=login["password"].encode(),
        state=PowerState.OFF if options.off else PowerState.ON,
        delay=options.delay,
    )
    _say({"addresses": [[bmc.address.host, bmc.address.port] for bmc in fleet]})
    while line := await lines.readline():
        _say(_answer(fleet, json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main())
