"""Nodes: created, changed, taken out of service, deleted; and the keys of their agents."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from alerts.services import clear_alert, clear_alerts_about
from alerts.subjects import node
from backends.choices import HELD, MAX_DEVICES, NOT_OVER, BackendStatus, DeviceStatus, ShutdownReason
from backends.errors import ActionUnderWay, BackendInUse
from backends.models import Agent, Backend, BackendGroup, Bmc, Device, PowerAction
from backends.power.drivers import DEFAULT_DRIVER
from backends.services.bmcs import default_port, recorded_changes, require_valid_bmc, update_bmc
from backends.services.inventory import COLUMNS, require_free_unit, set_node_inventory
from backends.services.logins import require_login
from backends.services.maintenance import leave_all_maintenance
from backends.services.monitoring import forget_monitoring
from backends.services.validation import require_valid
from backends.signals import devices_freed
from core.clock import db_now
from core.crypto import digest, new_secret
from core.errors import Duplicate, InvalidParameter, NotFound
from core.texts import require_row, require_texts, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record

WIRE_NAMES = {
    "name": "label",
    "ip": "workerip",
    **{name: name for name in ("port", "type", "description", *COLUMNS)},
}
LONGEST_MODEL = 64


@transaction.atomic
def create_backend(
    *,
    name: str,
    ip: str,
    bmc_ip: str | None = None,
    actor: Actor,
    group: BackendGroup,
    devices: int = 8,
    device_model: str = "",
    bmc_port: int | None = None,
    bmc_user: str = "",
    bmc_password: str | None = None,
    bmc_driver: str = DEFAULT_DRIVER,
    bmc_certificate: str = "",
    tags: Iterable[str] = (),
    custom_fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> tuple[Backend, str]:
    """Create a backend with `devices` devices that wait for its agent; return it and the key for the agent.

    Without `bmc_ip` it has no BMC; without `bmc_port` the BMC has the usual port of its driver. `fields` may be port,
    type, description, rack, unit, serial. `bmc_password` None: it is set later. `custom_fields` None: nobody was asked,
    so required ones may be missing.
    Raises Duplicate, InvalidParameter.
    """
    if not 0 <= devices <= MAX_DEVICES:
        raise InvalidParameter(_("A node has 0 to 32 devices."), parameter="devices")
    device_model = device_model.strip()
    require_texts(LONGEST_MODEL, deviceModel=device_model)
    hold(group, "group")
    key = new_secret()
    backend = Backend(name=name, ip=ip, group=group, key_digest=digest(key), **fields)
    _save(backend, {"name", *fields})
    bmc = Bmc(backend=backend, ip=bmc_ip or None, driver=bmc_driver, certificate=bmc_certificate)
    bmc.port = (default_port(bmc_driver) or bmc.port) if bmc_port is None else bmc_port
    bmc.user, bmc.password = bmc_user, bmc_password or ""
    require_valid_bmc(bmc)
    require_login(bmc.driver, user=bmc_user, password=bmc_password)
    bmc.save(force_insert=True)
    Agent.objects.create(backend=backend)
    add_devices(backend, range(devices), model=device_model)
    details: dict[str, Any] = {"name": backend.name, "ip": ip, "node": bmc_ip, "group": group.pk}
    details |= {name: value for name, value in values_of(backend, COLUMNS).items() if value not in ("", None)}
    details |= set_node_inventory(
        backend, actor=actor, tags=tags or None, custom_fields=custom_fields, complete=custom_fields is not None
    )
    if bmc_driver != DEFAULT_DRIVER:
        details["bmc"] = recorded_changes(bmc, {"driver": bmc.driver, "certificate": bmc.certificate})
    record("CREATE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", **details)
    return backend, key


def add_devices(backend: Backend, indexes: Iterable[int], *, model: str = "", total_memory: int = 0) -> None:
    """Create devices, which are SHUTDOWN until the agent says hello."""
    now = db_now()
    Device.objects.bulk_create(
        Device(backend=backend, index=i, model=model, total_memory=total_memory, since=now, created_at=now)
        for i in indexes
    )


@transaction.atomic
def update_backend(
    backend: Backend,
    *,
    actor: Actor,
    bmc: dict[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    custom_fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Backend:
    """Change name, ip, port, description, rack, unit or serial.

    `bmc` may hold ip, port, user, password, driver, certificate.

    `tags`: exactly the tags that it has afterwards. `custom_fields`: those that change.
    Raises Duplicate, InvalidParameter, NotFound.
    """
    if bmc:  # the BMC first, as in every transaction that locks both
        list(Bmc.objects.select_for_update().filter(backend=backend).values_list("pk"))
    locked: Backend | None = Backend.objects.live().select_for_update().filter(pk=backend.pk).first()
    if locked is None:
        raise NotFound(id=backend.pk)
    for name, value in fields.items():
        setattr(locked, name, value)
    _save(locked, fields.keys())
    if bmc:
        update_bmc(locked.bmc, bmc)
    bmc_changes = recorded_changes(locked.bmc, bmc) if bmc else {}
    values = values_of(locked, fields)
    values |= set_node_inventory(locked, actor=actor, tags=tags, custom_fields=custom_fields)
    record("UPDATE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", **values, bmc=bmc_changes)
    return locked


@transaction.atomic
def set_backend_status(
    backend: Backend, status: BackendStatus, *, actor: Actor, why: ShutdownReason = ShutdownReason.OPERATOR
) -> bool:
    """Take a backend out of service or back in; its running jobs go on. Return False if nothing changed.

    Raises Conflict for a deleted node.
    """
    why = ShutdownReason.NONE if status == BackendStatus.ACTIVE else why
    # Taking it out waits for transactions that bind jobs to it; later ones find it out of service.
    hold(backend, alone=status != BackendStatus.ACTIVE)
    if not Backend.objects.live().filter(pk=backend.pk).exclude(status=status, why=why).update(status=status, why=why):
        return False
    if backend.why == ShutdownReason.UNHEALTHY:
        clear_alert(Category.GPU_ERROR, node(backend.pk))
    record("SET_BACKEND_STATUS", actor=actor, subject=f"backend/{backend.pk}", status=status, why=why)
    devices_freed.send(Backend, group_ids=[backend.group_id])
    return True


@transaction.atomic
def delete_backend(backend: Backend, *, actor: Actor, force: bool = False) -> None:
    """Mark a backend as deleted. Raises BackendInUse while a device is held, ActionUnderWay unless `force`.

    Call `scheduler.services.nodes.delete_backend`, which with `force` first ends what holds the devices.
    """
    leave_all_maintenance(backend)
    # A cycle that plans for these devices locks them too: it finds them no longer IDLE, or it was first.
    devices = Device.objects.filter(backend=backend)
    free = devices.exclude(status__in=HELD)
    gone = {
        "status": DeviceStatus.SHUTDOWN,
        "why": ShutdownReason.OPERATOR,
        "drain_to": "",
        "drained": False,
        "verdict_drains": False,
        "cleaner": None,
    }
    free.update(**gone, since=db_now())
    if devices.filter(status__in=HELD).exists():
        raise BackendInUse(id=backend.pk)
    if not force and PowerAction.objects.filter(backend=backend, state__in=NOT_OVER).exists():
        raise ActionUnderWay(id=backend.pk)
    if not Backend.objects.live().filter(pk=backend.pk).update(deleted_at=db_now(), status=BackendStatus.SHUTDOWN):
        raise NotFound(id=backend.pk)
    forget_monitoring(backend.pk)
    clear_alerts_about(node(backend.pk))
    record("DELETE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", force=force)


@transaction.atomic
def rotate_node_key(backend: Backend, *, actor: Actor) -> str:
    """Replace the key of the node's agent and return it; the agent's next connection needs the new one."""
    key = new_secret()
    if not Backend.objects.live().filter(pk=backend.pk).update(key_digest=digest(key)):
        raise NotFound(id=backend.pk)
    record("ROTATE_NODE_KEY", actor=actor, subject=f"backend/{backend.pk}")
    return key


def _save(backend: Backend, changed: Collection[str]) -> None:
    require_row(backend, WIRE_NAMES, only=changed)
    require_valid(backend, names=WIRE_NAMES)
    require_free_unit(backend)
    try:
        with unique(label=backend.name):
            backend.save()
    except Duplicate:
        require_free_unit(backend)  # another transaction may have taken the unit meanwhile, not the name
        raise
