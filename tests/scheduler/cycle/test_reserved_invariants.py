"""Invariants of random groups: reserved SDAs, drains, limits, stops, and nodes that are off, return or are deleted."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction
from django.db.models import F

from backends.choices import DeviceStatus, PowerStatus
from backends.models import Agent, Backend, Device
from backends.services.groups import update_backend_group
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from core.errors import DomainError
from scheduler.choices import HOLDING, JobStatus
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.models import WAITING, Allocation, Job
from scheduler.policy.decisions import PendingReason
from scheduler.reconcile import reconcile
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.services.nodes import activate_backend, delete_backend, drain_backend, set_device_status
from scheduler.services.sdas import create_sda, delete_sda
from scheduler.services.tokens import free_tokens, stop_tokens
from sda.models import Sda
from tests import make
from tests.scheduler.cycle.test_reserved import STOP
from tokens.errors import BudgetSpent
from tokens.models import Token
from tokens.services import update_token

pytestmark = pytest.mark.django_db
STEPS = 25


class World:
    """One group, some nodes of 4 devices and some customers; `act` does one random thing to it."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - repeatable is what it must be
        self.boot = 1
        self.models = [make.sda_model(count) for count in (1, 2, 3)]
        self.tokens = [make.token(max_sda_count=4) for _ in range(3)]
        for _ in range(3):
            make.ready_backend(4)

    def act(self) -> None:
        """Do one thing; what is refused changes nothing."""
        acts: list[Callable[[], object]] = [
            *[self.submit] * 5, *[self.end] * 3, *[self.answer] * 4, self.reserve, self.reserve, self.unreserve,
            self.power_off, self.come_back, self.come_back, self.drain, self.activate, self.device, self.delete_node,
            self.new_node, self.limit, self.stop, self.free, self.free, self.drain_group, self.open_group,
        ]  # fmt: skip
        with suppress(DomainError), transaction.atomic():
            self.chance.choice(acts)()

    def node(self) -> Backend:
        node: Backend = self.chance.choice(list(Backend.objects.live().order_by("pk")) or [make.ready_backend(4)])
        return node

    def sda(self) -> Sda:
        sdas = list(Sda.objects.live().select_related("token", "model", "model_group").order_by("pk"))
        return self.chance.choice(sdas) if sdas and self.chance.random() < 0.8 else self.new_sda(reserved=False)

    def new_sda(self, *, reserved: bool) -> Sda:
        token, model = self.chance.choice(self.tokens), self.chance.choice(self.models)
        return create_sda(Token.objects.get(pk=token.pk), model, reserved=reserved, actor=make.ACTOR)

    def submit(self) -> None:
        make.job(self.sda())

    def end(self) -> None:
        jobs = list(Job.objects.filter(status__in=[JobStatus.WAITING, *HOLDING]).order_by("pk"))
        job = self.chance.choice(jobs) if jobs else make.job(self.sda())
        if self.chance.random() < 0.7:
            finish_job(job, exit_code=0, actor=make.ACTOR)
        else:
            cancel_job(job, cause="BY_USER", actor=make.ACTOR)  # type: ignore[arg-type]

    def answer(self) -> None:
        make.answer(self.node(), self.chance.choice(["START", "STOP", "CLEAN", None]))

    def reserve(self) -> None:
        self.new_sda(reserved=True)

    def unreserve(self) -> None:
        delete_sda(self.sda(), force=self.chance.random() < 0.5, actor=make.ACTOR)

    def power_off(self) -> None:
        node = self.node()
        Agent.objects.filter(pk=node.pk).update(last_seen=F("last_seen") - timedelta(seconds=1))
        store_power_readings({node.pk: PowerReading(PowerStatus.OFF)}, at=db_now())

    def come_back(self) -> None:
        node = self.node()
        store_power_readings({node.pk: PowerReading(PowerStatus.ON)}, at=db_now())
        self.boot += 1
        make.hello(node, 4, boot=self.boot)
        make.answer(node)

    def drain(self) -> None:
        drain_backend(self.node(), actor=make.ACTOR)

    def activate(self) -> None:
        activate_backend(self.node(), actor=make.ACTOR)

    def device(self) -> None:
        status = self.chance.choice([DeviceStatus.SHUTDOWN, DeviceStatus.IDLE, DeviceStatus.IDLE, DeviceStatus.BUSY])
        index = self.chance.choice([None, 0, 1, 2, 3])
        force = self.chance.random() < 0.3
        set_device_status(self.node(), status, index=index, force=force, actor=make.ACTOR)

    def delete_node(self) -> None:
        delete_backend(self.node(), force=self.chance.random() < 0.6, actor=make.ACTOR)

    def new_node(self) -> None:
        make.ready_backend(4)

    def limit(self) -> None:
        update_token(self.chance.choice(self.tokens), max_devices=self.chance.choice([None, 2, 4]), actor=make.ACTOR)

    def stop(self) -> None:
        stop_tokens({self.chance.choice(self.tokens).pk: STOP}, actor=make.ACTOR)

    def free(self) -> None:
        free_tokens([token.pk for token in self.tokens], actor=make.ACTOR)

    def drain_group(self) -> None:
        update_backend_group(make.default_group(), draining=self.chance.random() < 0.3, actor=make.ACTOR)

    def open_group(self) -> None:
        update_backend_group(make.default_group(), draining=False, actor=make.ACTOR)


def assert_invariants() -> None:
    held = Allocation.objects.filter(ended_at=None)
    assert not held.filter(device__backend__deleted_at__isnull=False).exists()
    assert not held.filter(device__status=DeviceStatus.IDLE).exists()
    assert not Job.objects.filter(WAITING, pending_reason="").exists()
    assert not Device.objects.filter(drained=True, status=DeviceStatus.IDLE).exists()


def assert_the_dry_run_comes_true(world: World) -> None:
    """Ask, submit and tick; then the job has started, or says what the dry run said."""
    try:
        sda = world.sda()
    except DomainError:
        return
    waits = dry_run(DryRunParams(sda.token, sda.model.num_devices, 0, sda)).waits
    try:
        job = make.job(sda)
    except BudgetSpent:
        assert waits is not None
        assert waits.reason in (PendingReason.TOKEN_STOPPED, PendingReason.GROUP_DRAINING)
        return
    tick(0)
    job.refresh_from_db()
    if waits is None:
        assert (job.status, job.pending_reason) == (JobStatus.SUBMITTED, "")
        return
    assert (job.status, job.pending_reason, job.pending_needed) == (JobStatus.WAITING, waits.reason, waits.needed)
    if not waits.blocker:
        assert job.pending_available == waits.available


@pytest.mark.parametrize("seed", range(4))
def test_the_invariants_hold_after_each_tick_and_dry_runs_come_true(seed: int) -> None:
    world = World(seed)
    for step in range(STEPS):
        world.act()
        tick(0)
        assert_invariants()
        if step % 4 == 0:
            assert_the_dry_run_comes_true(world)
            assert_invariants()
    wrong = [finding for finding in reconcile() if not finding.wrong.startswith("held ")]
    assert wrong == []  # but for reservations that lost their node and have found no other yet
