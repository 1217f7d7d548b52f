"""Enrolment: an agent of a new node presents a key once and gets a backend."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.models import Agent, Backend, BackendGroup, EnrolmentKey
from backends.services.nodes import create_backend, rotate_node_key
from core.clock import db_now
from core.crypto import digest, new_secret
from core.errors import Unauthenticated
from events.actor import Actor
from events.services import record


@transaction.atomic
def create_enrolment_key(*, group: BackendGroup, actor: Actor, valid_for: timedelta = timedelta(hours=24)) -> str:
    """Create a key with which one new node can enrol itself into the group; return the key."""
    key = new_secret()
    now = db_now()
    row = EnrolmentKey.objects.create(key_digest=digest(key), group=group, created_at=now, expires_at=now + valid_for)
    record("CREATE_ENROLMENT_KEY", actor=actor, subject=f"enrolmentkey/{row.pk}", group=group.pk)
    return key


@transaction.atomic
def enrol_backend(key: str, *, name: str, ip: str, instance_id: str, actor: Actor) -> tuple[Backend, str]:
    """Create a backend without a BMC for the node with an unused enrolment key; return it and its node key.

    The same installation can repeat this with the same key: it gets the same backend and another node key.
    Raises Unauthenticated, Duplicate, InvalidParameter.
    """
    found = EnrolmentKey.objects.select_for_update(of=("self",)).filter(key_digest=digest(key))
    row = found.filter(expires_at__gt=db_now()).first()
    if row is None or (row.used_by_id and not _is_same(row.used_by_id, instance_id)):
        raise Unauthenticated(_("The enrolment key is not known, used or too old."))
    if row.used_by:
        return row.used_by, rotate_node_key(row.used_by, actor=actor)
    backend, node_key = create_backend(name=name, ip=ip, bmc_ip=None, actor=actor, group=row.group, devices=0)
    Agent.objects.filter(pk=backend.pk).update(instance_id=instance_id)
    EnrolmentKey.objects.filter(pk=row.pk).update(used_by=backend)
    return backend, node_key


def _is_same(backend_id: int, instance_id: str) -> bool:
    return bool(instance_id) and Agent.objects.filter(pk=backend_id, instance_id=instance_id).exists()
