"""Operators as a process: they cancel jobs, change priorities, policies and limits, tick and sweep, without a pause.

CRASH_OPERATORS has {"seed": …, "received": FILE}. A result is written down after it was received, never before.
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
    django.setup()

from django.db import DatabaseError, InterfaceError, close_old_connections

from backends.choices import SchedulingPolicy
from backends.models import BackendGroup
from backends.services.groups import update_backend_group
from core.errors import DomainError
from events.actor import Actor
from scheduler.choices import LIVE, Cause
from scheduler.cycle.tick import tick
from scheduler.models import WAITING, Job
from scheduler.reconcile import reconcile
from scheduler.services.jobs import cancel_job, set_job_priority
from scheduler.work import sweep
from tokens.models import Token
from tokens.services import update_token
from usage.audit import audit_usage

OPERATOR = Actor("operator under fire", "test")
OPERATORS, BREATH_S = 3, 0.05
LIMITS = (None, None, 6, 8)  # nobody's job needs more than 6, so that every job can still start


class Operators:
    """Everything that they do is drawn from one seed."""

    def __init__(self, seed: int, received: Path) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - reproducible is what it must be
        self._received = received
        self._acts: tuple[tuple[int, Callable[[], object]], ...] = (
            (6, lambda: tick(0)),
            (6, self._prioritise),
            (1, self._cancel),
            (2, self._rule),
            (2, self._limit),
            (2, sweep),
            (1, reconcile),
            (1, self._prove),
        )

    def act(self) -> None:
        """Do one thing; a refusal is a result, and without a database the next thing is tried later."""
        weights, acts = zip(*self._acts, strict=True)
        (chosen,) = self._chance.choices(acts, weights)
        try:
            close_old_connections()
            chosen()
        except (DomainError, DatabaseError, InterfaceError):
            close_old_connections()

    def _one_of(self, jobs: list[Job]) -> Job | None:
        return self._chance.choice(jobs) if jobs else None

    def _prioritise(self) -> None:
        if job := self._one_of(list(Job.objects.filter(WAITING).order_by("pk"))):
            set_job_priority(job, self._chance.randint(-99, 99), actor=OPERATOR)

    def _cancel(self) -> None:
        if job := self._one_of(list(Job.objects.filter(status__in=LIVE).order_by("pk"))):
            cancel_job(job, cause=Cause.BY_OPERATOR, actor=OPERATOR)
            self._write(canceled=job.pk)

    def _rule(self) -> None:
        policy = self._chance.choice(list(SchedulingPolicy))
        rules: dict[str, Any] = {"guard_s": self._chance.choice((0, 1, 3600)), "preempt": self._chance.random() < 0.7}
        group = BackendGroup.objects.get(pk=0)
        draining = self._chance.random() < 0.1
        update_backend_group(group, actor=OPERATOR, policy=policy, min_run_s=0, notice_s=0, draining=draining, **rules)
        self._write(policy=policy.value, preempt=rules["preempt"])

    def _limit(self) -> None:
        token = self._chance.choice(list(Token.objects.order_by("pk")))
        update_token(token, actor=OPERATOR, max_devices=self._chance.choice(LIMITS))
        self._write(limited=token.pk)

    def _prove(self) -> None:
        """Check the invariants, which hold at any moment and not only at the end."""
        if differences := audit_usage().differences:
            self._write(differs=differences)

    def _write(self, **line: object) -> None:
        with self._received.open("a") as out:
            out.write(json.dumps(line) + "\n")

    def run(self) -> None:
        """Act until the process is killed."""
        self._write(began=os.getpid())
        while True:
            self.act()
            time.sleep(BREATH_S)


def main() -> None:
    order = json.loads(os.environ["CRASH_OPERATORS"])
    for number in range(OPERATORS):
        Thread(target=Operators(order["seed"] + number, Path(order["received"])).run).start()


if __name__ == "__main__":
    main()
