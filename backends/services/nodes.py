from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import HELD, UNDER_WAY, BackendStatus, DeviceStatus, Why
from backends.errors import ActionUnderWay, BackendInUse
from backends.models import Agent, Backend, BackendGroup, Bmc, Device, EnrolmentKey, PowerAction
from backends.models.nodes import MAX_DEVICES
from backends.power.driver import AddressNotAllowed, BmcAddress, require_allowed
from backends.signals import devices_freed
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.crypto import digest, new_secret
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, NotFound, Unauthenticated
from moreh_cloud.lib.tombstone import hold

WIRE_NAMES = {"name": "label", "ip": "workerip", "port": "port", "type": "type", "description": "description"}
BMC_FIELDS = ("ip", "port", "user", "password", "driver")


@transaction.atomic
def create_backend(
    *,
    name: str,
    ip: str,
    bmc_ip: str,
    actor: Actor,
    group: BackendGroup,
    devices: int = 8,
    device_model: str = "",
    bmc_port: int = 623,
    bmc_user: str = "",
    bmc_password: str = "",
    **fields: Any,
) -> tuple[Backend, str]:
    """Make a backend with `devices` devices that wait for its agent; give it and the key for the agent.

    `fields` may be port, type, description. Raises Duplicate, InvalidParameter.
    """
    if not 0 <= devices <= MAX_DEVICES:
        raise InvalidParameter(_("A node has 0 to 32 devices."), parameter="devices")
    hold(group, "group")
    key = new_secret()
    backend = Backend(name=name, ip=ip, group=group, key_digest=digest(key), **fields)
    _save(backend)
    bmc = Bmc(backend=backend, ip=bmc_ip, port=bmc_port, user=bmc_user, password=bmc_password)
    _check_bmc(bmc)
    bmc.save(force_insert=True)
    Agent.objects.create(backend=backend)
    add_devices(backend, range(devices), model=device_model)
    record(
        "CREATE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", name=name, ip=ip, node=bmc_ip, group=group.pk
    )
    return backend, key


def add_devices(backend: Backend, indexes: Iterable[int], *, model: str = "", total_memory: int = 0) -> None:
    """Add devices that are SHUTDOWN until the agent says hello."""
    now = db_now()
    Device.objects.bulk_create(
        Device(backend=backend, index=i, model=model, total_memory=total_memory, since=now, created_at=now)
        for i in indexes
    )


@transaction.atomic
def update_backend(backend: Backend, *, actor: Actor, bmc: dict[str, Any] | None = None, **fields: Any) -> Backend:
    """Change name, ip, port or description; `bmc` may hold ip, port, user, password.

    Raises Duplicate, InvalidParameter, NotFound.
    """
    locked: Backend | None = Backend.objects.live().select_for_update().filter(pk=backend.pk).first()
    if locked is None:
        raise NotFound(id=backend.pk)
    for name, value in fields.items():
        setattr(locked, name, value)
    _save(locked)
    if bmc:
        _update_bmc(locked.bmc, bmc)
    told = {key: value for key, value in (bmc or {}).items() if key in ("ip", "port")}
    record("UPDATE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", **{**fields, "bmc": told})
    return locked


@transaction.atomic
def set_backend_status(backend: Backend, status: BackendStatus, *, actor: Actor, why: Why = Why.OPERATOR) -> bool:
    """Take a backend out of scheduling or back in; its running jobs go on. Tell whether anything changed."""
    why = Why.NONE if status == BackendStatus.ACTIVE else why
    if not Backend.objects.live().filter(pk=backend.pk).exclude(status=status, why=why).update(status=status, why=why):
        return False
    record("SET_BACKEND_STATUS", actor=actor, subject=f"backend/{backend.pk}", status=status, why=why)
    devices_freed.send(Backend, group_ids=[backend.group_id])
    return True


@transaction.atomic
def delete_backend(backend: Backend, *, actor: Actor, force: bool = False) -> None:
    """Leave a tombstone. Raises BackendInUse while a device is held, ActionUnderWay unless `force`.

    Whoever forces it has ended the jobs before (`scheduler.services` does).
    """
    # A tick that has planned for these devices locks them, and finds them no longer IDLE; or it was first.
    devices = Device.objects.filter(backend=backend)
    free = devices.exclude(status__in=HELD)
    free.update(status=DeviceStatus.SHUTDOWN, why=Why.OPERATOR, drain_to="", cleaner=None, since=db_now())
    if devices.filter(status__in=HELD).exists():
        raise BackendInUse(id=backend.pk)
    if not force and PowerAction.objects.filter(backend=backend, state__in=UNDER_WAY).exists():
        raise ActionUnderWay(id=backend.pk)
    if not Backend.objects.live().filter(pk=backend.pk).update(deleted_at=db_now(), status=BackendStatus.SHUTDOWN):
        raise NotFound(id=backend.pk)
    record("DELETE_BACKEND", actor=actor, subject=f"backend/{backend.pk}", force=force)


@transaction.atomic
def rotate_node_key(backend: Backend, *, actor: Actor) -> str:
    """Give the node's agent another key; the old one stops working at its next connection."""
    key = new_secret()
    if not Backend.objects.live().filter(pk=backend.pk).update(key_digest=digest(key)):
        raise NotFound(id=backend.pk)
    record("ROTATE_NODE_KEY", actor=actor, subject=f"backend/{backend.pk}")
    return key


@transaction.atomic
def create_enrolment_key(*, group: BackendGroup, actor: Actor, valid_for: timedelta = timedelta(hours=24)) -> str:
    """Make a key with which one new node may enrol itself into the group."""
    key = new_secret()
    now = db_now()
    row = EnrolmentKey.objects.create(key_digest=digest(key), group=group, created_at=now, expires_at=now + valid_for)
    record("CREATE_ENROLMENT_KEY", actor=actor, subject=f"enrolmentkey/{row.pk}", group=group.pk)
    return key


@transaction.atomic
def enrol_backend(key: str, *, name: str, ip: str, bmc_ip: str, instance_id: str, actor: Actor) -> tuple[Backend, str]:
    """Make a backend for the node that presents an unused enrolment key; give it and its node key.

    The same installation may ask again with the same key: it gets the same backend and another node key.
    Raises Unauthenticated, Duplicate, InvalidParameter.
    """
    found = EnrolmentKey.objects.select_for_update(of=("self",)).filter(key_digest=digest(key))
    row = found.filter(expires_at__gt=db_now()).first()
    if row is None or (row.used_by_id and not _is_same(row.used_by_id, instance_id)):
        raise Unauthenticated(_("The enrolment key is not known, used or too old."))
    if row.used_by:
        return row.used_by, rotate_node_key(row.used_by, actor=actor)
    backend, node_key = create_backend(name=name, ip=ip, bmc_ip=bmc_ip, actor=actor, group=row.group, devices=0)
    Agent.objects.filter(pk=backend.pk).update(instance_id=instance_id)
    EnrolmentKey.objects.filter(pk=row.pk).update(used_by=backend)
    return backend, node_key


def _is_same(backend_id: int, instance_id: str) -> bool:
    return bool(instance_id) and Agent.objects.filter(pk=backend_id, instance_id=instance_id).exists()


def _update_bmc(bmc: Bmc, changes: dict[str, Any]) -> None:
    for name in BMC_FIELDS:
        if name in changes:
            setattr(bmc, name, changes[name])
    _check_bmc(bmc)
    bmc.wrong_logins, bmc.weak = [], None
    bmc.save(update_fields=[*changes, "wrong_logins", "weak"])


def _save(backend: Backend) -> None:
    _check(backend, names=WIRE_NAMES)
    try:
        with transaction.atomic():
            backend.save()
    except IntegrityError as error:
        raise Duplicate(label=backend.name) from error


def _check(row: Backend | Bmc, *, names: dict[str, str]) -> None:
    """Validate what a caller may set, naming fields as the wire does. Raises InvalidParameter."""
    own = {field.name for field in row._meta.concrete_fields} - names.keys()
    try:
        row.clean_fields(exclude=own)
    except ValidationError as error:
        problems = {names[field]: messages for field, messages in error.message_dict.items()}
        raise InvalidParameter(_("A value is not valid."), **problems) from error


def _check_bmc(bmc: Bmc) -> None:
    _check(bmc, names={"ip": "node", "port": "bmcPort"})
    try:
        require_allowed(BmcAddress(bmc.ip, bmc.port), settings.MOREH_BMC_NETWORKS)
    except AddressNotAllowed as error:
        raise InvalidParameter(
            _("The BMC address lies outside the networks that are allowed."), parameter="node"
        ) from error
