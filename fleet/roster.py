"""State of the simulated fleet: a private file in the data folder, because it holds keys and tokens."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backends.power.drivers import DEFAULT_DRIVER
from backends.power.redfish_simulator import ServerCertificate

DEVICES = 8  # per node
DEVICE_MODEL, DEVICE_MEMORY = "MI250", 65_536  # MiB


@dataclass
class SeededNode:
    """A node: its backend's name, its agent's key, the port and the driver of its BMC on loopback."""

    name: str
    key: str = field(repr=False)
    bmc_port: int
    bmc_driver: str = DEFAULT_DRIVER


@dataclass
class Customer:
    """A VM's token, how many devices its SDA's model stands for, and how often it asks compared with others."""

    name: str
    token: str = field(repr=False)
    devices: int
    weight: int


@dataclass
class Roster:
    """Everything that was seeded."""

    bmc_user: str
    bmc_password: str = field(repr=False)
    nodes: list[SeededNode] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)


def roster_file(data_dir: Path) -> Path:
    """Return where the state of the fleet is stored."""
    return data_dir / "fleet.json"


def bmc_certificate(data_dir: Path) -> ServerCertificate:
    """Return the certificate that all Redfish BMCs of the fleet show; it is made when it is first needed."""
    folder = data_dir / "fleet"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return ServerCertificate.kept_in(folder / "bmc.pem")


def read_roster(data_dir: Path) -> Roster | None:
    """Read the file, if the fleet was seeded before."""
    file = roster_file(data_dir)
    if not file.exists():
        return None
    known = json.loads(file.read_text())
    nodes = [SeededNode(**node) for node in known.pop("nodes")]
    customers = [Customer(**customer) for customer in known.pop("customers")]
    return Roster(**known, nodes=nodes, customers=customers)


def write_roster(roster: Roster, data_dir: Path) -> None:
    """Replace the file as a whole, readable by its owner only."""
    draft = roster_file(data_dir).with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(asdict(roster), out)
    draft.replace(roster_file(data_dir))
