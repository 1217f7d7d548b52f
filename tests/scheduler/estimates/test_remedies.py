"""A higher limit is promised as a remedy only when it has been tried, and then it comes true."""

from collections.abc import Callable

import pytest

from backends.models import Backend
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, Remedy, dry_run
from scheduler.models import Job
from scheduler.policy.decisions import PendingReason
from scheduler.services.jobs import set_job_priority
from sda.models import Sda
from tests import make
from tokens.models import TokenGroup
from tokens.services import create_token_group, update_token, update_token_group

pytestmark = pytest.mark.django_db
Raise = Callable[[Sda, int], object]


def _of_the_token(sda: Sda, most: int) -> object:
    return update_token(sda.token, max_devices=most, actor=make.ACTOR)


def _of_the_group(_sda: Sda, most: int) -> object:
    return update_token_group(TokenGroup.objects.get(), max_devices=most, actor=make.ACTOR)


def _limited(devices: int, *, jobs: int = 1) -> Sda:
    """Return an SDA of 2 devices whose token may hold 2 and has `jobs` jobs, in a group of so many devices."""
    make.ready_backend(devices)
    sda = make.sda(2, max_duplicates=0, max_devices=2)
    for _ in range(jobs):
        make.job(sda)
    tick(0)
    return sda


def _devices_are_free() -> tuple[Sda, PendingReason, list[int], Raise]:
    return _limited(4), PendingReason.OVER_TOKEN_LIMIT, [4], _of_the_token


def _all_devices_are_held() -> tuple[Sda, PendingReason, list[int], Raise]:
    return _limited(2), PendingReason.OVER_TOKEN_LIMIT, [], _of_the_token


def _another_stands_in_front() -> tuple[Sda, PendingReason, list[int], Raise]:
    return _limited(8, jobs=2), PendingReason.OVER_TOKEN_LIMIT, [6], _of_the_token


def _another_in_front_takes_the_last() -> tuple[Sda, PendingReason, list[int], Raise]:
    return _limited(5, jobs=2), PendingReason.OVER_TOKEN_LIMIT, [], _of_the_token


def _another_behind_takes_of_it() -> tuple[Sda, PendingReason, list[int], Raise]:
    make.ready_backend(8)
    owner = make.token(max_sda_count=3, max_devices=3)
    make.job(make.sda(2, owner=owner))
    tick(0)
    set_job_priority(make.job(make.sda(1, owner=owner)), -1, actor=make.ACTOR)
    return make.sda(2, owner=owner), PendingReason.OVER_TOKEN_LIMIT, [4], _of_the_token


def _a_group_limit_stands_behind() -> tuple[Sda, PendingReason, list[int], Raise]:
    sda = _limited(4)
    create_token_group(name="team", tokens=[sda.token], max_devices=3, actor=make.ACTOR)
    return sda, PendingReason.OVER_TOKEN_LIMIT, [], _of_the_token


def _only_a_group_limit() -> tuple[Sda, PendingReason, list[int], Raise]:
    sda = _limited(4)
    update_token(sda.token, max_devices=None, actor=make.ACTOR)
    create_token_group(name="team", tokens=[sda.token], max_devices=3, actor=make.ACTOR)
    return sda, PendingReason.OVER_GROUP_LIMIT, [4], _of_the_group


def _two_group_limits() -> tuple[Sda, PendingReason, list[int], Raise]:
    sda, reason, _remedies, raise_it = _only_a_group_limit()
    create_token_group(name="other team", tokens=[sda.token], max_devices=3, actor=make.ACTOR)
    return sda, reason, [], raise_it


CASES = {
    "devices are free": _devices_are_free,
    "all devices are held": _all_devices_are_held,
    "another job over the limit stands in front": _another_stands_in_front,
    "another job in front would take the last devices": _another_in_front_takes_the_last,
    "another job behind takes of the limit": _another_behind_takes_of_it,
    "a group limit stands behind": _a_group_limit_stands_behind,
    "only a group limit": _only_a_group_limit,
    "two group limits": _two_group_limits,
}


@pytest.mark.parametrize("case", CASES)
def test_a_higher_limit_is_promised_where_it_lets_the_job_start(case: str) -> None:
    sda, reason, most, raise_it = CASES[case]()
    result = dry_run(DryRunParams(sda.token, 2, 0, sda))
    assert result.waits is not None
    assert (result.waits.reason, list(result.remedies)) == (reason, [(Remedy.MAX_DEVICES, value) for value in most])
    for value in most:
        raise_it(sda, value)
        job = make.job(sda)
        tick(0)
        assert Job.objects.get(pk=job.pk).status == JobStatus.SUBMITTED
    assert Backend.objects.count() == 1
