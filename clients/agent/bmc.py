"""The address of a node's BMC, where the node can tell it."""

import re
import shutil
from ipaddress import ip_address

from clients.agent.command import output_of
from clients.agent.errors import CommandFailed

TIMEOUT = 10.0  # seconds; a BMC may be slow
LINE = re.compile(r"^IP Address\s*:\s*(\S+)\s*$", re.MULTILINE)


async def bmc_address() -> str:
    """Return the IP address of the BMC as ipmitool reads it from the local interface; "" if it cannot be told."""
    if not shutil.which("ipmitool"):
        return ""
    try:
        output = await output_of(("ipmitool", "lan", "print"), TIMEOUT)
    except CommandFailed:
        return ""
    return parse_lan(output)


def parse_lan(output: str) -> str:
    """Return the address in what `ipmitool lan print` prints; "" for none, and for 0.0.0.0 of a BMC without one."""
    found = LINE.search(output)
    try:
        address = ip_address(found[1]) if found else None
    except ValueError:
        return ""
    return "" if address is None or address.is_unspecified else str(address)
