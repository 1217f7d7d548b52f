"""`python -m backends.power.simulator --count 16 --first-port 6230`: a fleet of simulated BMCs as a process.

The first line on stdin is {"user": …, "password": …}. Then JSON lines, each answered by one line on stdout:
{"do": "executed", "bmc": 0}, {"do": "faults", "bmc": 0, "set": {"black_hole": true}} and
{"do": "password", "bmc": 0, "password": …}, {"do": "sensor", "bmc": 0, "name": "CPU Temp", "raw": 97} and
{"do": "log", "bmc": 0, "count": 3}, which adds entries to the event log. It ends with stdin.
With `--driver redfish` they speak Redfish.
"""

import argparse
import asyncio
import dataclasses
import json
import resource
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from backends.power.driver import BmcAddress, PowerState
from backends.power.redfish_simulator import RedfishBmc, ServerCertificate, start_redfish_fleet
from backends.power.simulator.bmc import SimulatedBmc
from backends.power.simulator.fleet import start_fleet

Bmc = SimulatedBmc | RedfishBmc


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="simulated BMCs; the login comes on stdin")
    parser.add_argument("--driver", choices=["ipmi", "redfish"], default="ipmi")
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


def _answer(fleet: Sequence[Bmc], request: dict[str, Any]) -> dict[str, Any]:
    bmc = fleet[request["bmc"]]
    if request["do"] == "password":
        bmc.password = request["password"].encode()
        return {}
    if request["do"] == "faults":
        vars(bmc.faults).update(dataclasses.asdict(dataclasses.replace(bmc.faults, **request["set"])))
        return {"faults": dataclasses.asdict(bmc.faults)}
    if request["do"] == "sensor":
        bmc.sensors.values[request["name"]] = request["raw"]
        return {}
    if request["do"] == "log":
        bmc.log.add_events(request["count"])
        return {"entries": len(bmc.log.records)}
    executed = [dataclasses.asdict(command) for command in bmc.chassis.executed]
    return {"state": bmc.chassis.state, "logins": bmc.logins, "sessions": bmc.sessions, "executed": executed}


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def _start(options: argparse.Namespace, login: dict[str, str], certificate: ServerCertificate) -> Sequence[Bmc]:
    addresses = [_address(options, index) for index in range(options.count)]
    settings: dict[str, Any] = {
        "user": login["user"].encode(),
        "password": login["password"].encode(),
        "state": PowerState.OFF if options.off else PowerState.ON,
        "delay": options.delay,
    }
    if options.driver == "redfish":
        return await start_redfish_fleet(addresses, certificate, **settings)
    return await start_fleet(addresses, **settings)


async def main() -> None:
    """Start the BMCs, then answer requests until stdin ends."""
    options = _options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    login = json.loads(await lines.readline())
    certificate = ServerCertificate.new()
    fleet = await _start(options, login, certificate)
    addresses = [[bmc.address.host, bmc.address.port] for bmc in fleet]
    _print({"addresses": addresses, "fingerprint": certificate.fingerprint, "ca": certificate.ca})
    while line := await lines.readline():
        _print(_answer(fleet, json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main())
