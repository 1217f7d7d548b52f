"""Creation of the simulated fleet, through the services like an operator. A second run changes nothing."""

import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from backends.models import Backend, BackendGroup, Bmc
from backends.power.drivers import DEFAULT_DRIVER
from backends.services.groups import create_backend_group
from backends.services.nodes import create_backend, rotate_node_key, update_backend
from events.actor import Actor
from fleet.roster import (
    DEVICE_MODEL,
    DEVICES,
    Customer,
    Roster,
    SeededNode,
    bmc_certificate,
    read_roster,
    write_roster,
)
from scheduler.services.sdas import create_sda
from sda.models import SdaModel, SdaModelGroup
from sda.services.models import create_membership, create_sda_model, create_sda_model_group
from tokens.models import Token, TokenGroup
from tokens.services import create_token, create_token_group

FLEET = Actor("simulated fleet", "internal")
# Below what systems give to clients. Each fleet begins at another one: of two that are started at once, both would
# find the same ports free before either listens.
BMC_PORTS = range(16_230, 32_000)
LOOPBACK = "127.0.0.1"
CHECK = "simulated-check"  # is not run: the simulated devices answer


@dataclass(frozen=True)
class Pool:
    """A backend group with the models that it serves and the customers that use them."""

    name: str
    combine: bool
    models: dict[str, int]


@dataclass(frozen=True)
class CustomerSpec:
    """A customer to create: `weight` is how often it requests jobs, compared with the others."""

    name: str
    pool: Pool
    model: str
    duplicates: int
    weight: int
    priority: int = 0


INFERENCE = Pool("Inference", combine=False, models={"Small.64GB": 1, "Medium.256GB": 4})
TRAINING = Pool("Training", combine=True, models={"Large.512GB": 8, "XLarge.1TB": 16, "2XLarge.2TB": 32})
CUSTOMERS = (
    CustomerSpec("Aurora Vision", INFERENCE, "Small.64GB", 0, 20),
    CustomerSpec("Birch Robotics", INFERENCE, "Small.64GB", 8, 15),
    CustomerSpec("Cobalt Speech", INFERENCE, "Medium.256GB", 4, 15),
    CustomerSpec("Delta Search", INFERENCE, "Medium.256GB", 4, 10, priority=5),
    CustomerSpec("Elm Language Lab", TRAINING, "Large.512GB", 4, 16),
    CustomerSpec("Fjord Genomics", TRAINING, "Large.512GB", 4, 12, priority=10),
    CustomerSpec("Garnet Weather", TRAINING, "XLarge.1TB", 2, 8),
    CustomerSpec("Harbor Foundation Models", TRAINING, "2XLarge.2TB", 2, 4, priority=-5),
)


def seed_fleet(count: int, data_dir: Path) -> Roster:
    """Make what is missing of `count` nodes and of the customers; what an operator deleted since stays deleted."""
    roster = read_roster(data_dir) or Roster("fleet", secrets.token_hex(8))
    fingerprint = bmc_certificate(data_dir).fingerprint
    groups = {pool.name: _backend_group(pool) for pool in (INFERENCE, TRAINING)}
    for number in range(len(roster.nodes), count):
        pool = INFERENCE if number % 4 == 1 else TRAINING
        bmc = {"driver": "redfish", "certificate": fingerprint} if number % 4 == 3 else {"driver": DEFAULT_DRIVER}
        roster.nodes.append(_node(f"node-{number + 1:02}", groups[pool.name], roster, bmc))
    for pool in (INFERENCE, TRAINING):
        _customers(pool, groups[pool.name], roster)
    _settle_bmcs(roster, count, fingerprint)
    write_roster(roster, data_dir)
    return roster


def _backend_group(pool: Pool) -> BackendGroup:
    known: BackendGroup | None = BackendGroup.objects.live().filter(name=pool.name).first()
    if known:
        return known
    return create_backend_group(
        name=pool.name, combine=pool.combine, check_command=CHECK, check_every_h=1, preflight=True, actor=FLEET
    )


def _node(name: str, group: BackendGroup, roster: Roster, bmc: dict[str, str]) -> SeededNode:
    """Make a node, or take over one that an interrupted start has made."""
    port = next(_free_ports([node.bmc_port for node in roster.nodes]))
    known = Backend.objects.live().filter(name=name).first()
    if known:
        update_backend(known, actor=FLEET, bmc={"port": port, "password": roster.bmc_password, **bmc})
        return SeededNode(name, rotate_node_key(known, actor=FLEET), port, bmc["driver"])
    _backend, key = create_backend(
        name=name,
        ip=LOOPBACK,
        bmc_ip=LOOPBACK,
        bmc_port=port,
        bmc_user=roster.bmc_user,
        bmc_password=roster.bmc_password,
        group=group,
        devices=DEVICES,
        device_model=DEVICE_MODEL,
        description="simulated",
        actor=FLEET,
        bmc_driver=bmc["driver"],
        bmc_certificate=bmc.get("certificate", ""),
    )
    return SeededNode(name, key, port, bmc["driver"])


@transaction.atomic
def _customers(pool: Pool, group: BackendGroup, roster: Roster) -> None:
    """Make a pool's models, groups, membership and customers, all or none."""
    specs = [spec for spec in CUSTOMERS if spec.pool is pool]
    known = {customer.name for customer in roster.customers}
    if all(spec.name in known for spec in specs):
        return
    models = {name: _model(name, devices) for name, devices in pool.models.items()}
    model_group = SdaModelGroup.objects.live().filter(name=pool.name).first()
    users = TokenGroup.objects.live().filter(name=f"{pool.name} customers").first()
    if model_group is None or users is None:
        model_group = create_sda_model_group(name=pool.name, backend_group=group, models=models.values(), actor=FLEET)
        users = create_token_group(name=f"{pool.name} customers", actor=FLEET)
        create_membership(users, model_group, actor=FLEET)
    roster.customers += [_customer(spec, users, models[spec.model]) for spec in specs]


def _model(name: str, devices: int) -> SdaModel:
    known: SdaModel | None = SdaModel.objects.live().filter(name=name).first()
    return known or create_sda_model(name=name, num_devices=devices, actor=FLEET)


def _customer(spec: CustomerSpec, users: TokenGroup, model: SdaModel) -> Customer:
    token = Token.objects.live().filter(description=spec.name, groups=users).first()
    if token is None:
        token = create_token(
            description=spec.name,
            groups=[users],
            priority=spec.priority,
            max_duplicates=spec.duplicates,
            actor=FLEET,
        )
        create_sda(token, model, alias="main", actor=FLEET)
    return Customer(spec.name, token.value, model.num_devices, spec.weight)


def _settle_bmcs(roster: Roster, count: int, fingerprint: str) -> None:
    """Assign another port to BMCs whose port another program has taken since the last start.

    BMCs that speak Redfish get the fingerprint of the certificate that they show.
    """
    taken = [node.bmc_port for node in roster.nodes]
    others = Bmc.objects.filter(driver="redfish").exclude(certificate=fingerprint)
    outdated = set(others.filter(backend__deleted_at=None).values_list("backend__name", flat=True))
    for node in roster.nodes[:count]:
        changes: dict[str, object] = {}
        if not _is_free(node.bmc_port):
            changes["port"] = node.bmc_port = next(_free_ports(taken))
            taken.append(node.bmc_port)
        if node.bmc_driver == "redfish" and node.name in outdated:
            changes["certificate"] = fingerprint
        backend = Backend.objects.live().filter(name=node.name).first() if changes else None
        if backend:
            update_backend(backend, actor=FLEET, bmc=changes)


def _free_ports(taken: Sequence[int]) -> Iterator[int]:
    """Return free ports behind the last one taken, round and round the range."""
    first = taken[-1] + 1 - BMC_PORTS.start if taken else secrets.randbelow(len(BMC_PORTS))
    around = (BMC_PORTS[(first + step) % len(BMC_PORTS)] for step in range(len(BMC_PORTS)))
    return (port for port in around if port not in taken and _is_free(port))


def _is_free(port: int) -> bool:
    """Whether BMCs of each driver could listen on a port."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)  # as servers do
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True
