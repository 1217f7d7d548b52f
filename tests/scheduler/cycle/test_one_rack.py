"""One rack before two in the rows: ticks, reserved SDAs, start estimates and what-if; and nothing without it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import Role
from backends.models import Backend
from backends.services.groups import update_backend_group
from scheduler.admin.picture import shelves
from scheduler.choices import JobStatus
from scheduler.cycle.fast_path import try_fast_path
from scheduler.cycle.load import load
from scheduler.cycle.tick import tick
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.models import Allocation, Job
from scheduler.services.jobs import set_job_priority
from scheduler.services.sdas import create_sda
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import page

GROUP = 0
pytestmark = pytest.mark.django_db


def prefer(*, wanted: bool = True) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, one_rack=wanted)


def racks_of(job: Job) -> list[str]:
    return sorted(set(Backend.objects.filter(pk__in=nodes_of(job)).values_list("rack", flat=True)))


def nodes_of(job: Job) -> set[int]:
    return set(Allocation.objects.filter(job=job, ended_at=None).values_list("device__backend", flat=True))


def two_racks() -> None:
    """Nodes 1 and 4 in rack a, 2 and 3 in rack b: without the preference a job of two gets 1 and 2."""
    for rack in "abba":
        make.ready_backend(2, rack=rack)


@pytest.mark.parametrize(("wanted", "racks"), [(True, ["a"]), (False, ["a", "b"])])
def test_a_job_over_several_nodes_gets_one_rack_where_it_is_preferred(wanted: bool, racks: list[str]) -> None:
    prefer(wanted=wanted)
    two_racks()
    job = make.job(num_devices=4)
    tick(GROUP)
    job.refresh_from_db()
    assert (job.status, racks_of(job)) == (JobStatus.SUBMITTED, racks)
    assert {shelf.rack for shelf in shelves(job)} == set(racks)


def test_no_job_waits_for_a_rack() -> None:
    prefer()
    for rack in "ab":
        make.ready_backend(2, rack=rack)
    job = make.job(num_devices=4)
    tick(GROUP)
    job.refresh_from_db()
    assert (job.status, racks_of(job)) == (JobStatus.SUBMITTED, ["a", "b"])


@pytest.mark.only_postgresql
def test_the_fast_path_leaves_a_job_over_several_nodes_to_a_cycle() -> None:
    prefer()
    two_racks()
    tick(GROUP)
    large = make.job(num_devices=4)
    assert not try_fast_path(GROUP)
    tick(GROUP)
    assert racks_of(large) == ["a"]
    small = make.job(num_devices=2)
    assert try_fast_path(GROUP)
    assert racks_of(small) == ["b"]


def test_a_reserved_sda_gets_one_rack() -> None:
    prefer()
    two_racks()
    sda = create_sda(make.token(), make.sda_model(4), reserved=True, actor=make.ACTOR)
    assert {one.device.backend.rack for one in Allocation.objects.filter(sda=sda, ended_at=None)} == {"a"}


def test_a_dry_run_names_the_devices_that_the_tick_takes() -> None:
    prefer()
    two_racks()
    start = dry_run(DryRunParams(make.token(), 4, GROUP)).start
    job = make.job(num_devices=4)
    tick(GROUP)
    assert start is not None
    assert {node for node, _mask in start.devices} == nodes_of(job)
    assert racks_of(job) == ["a"]


@pytest.mark.usefixtures("static_files")
def test_what_if_shows_the_racks_and_comes_true() -> None:
    prefer()
    for rack in "abaa":
        make.ready_backend(2, rack=rack)
    make.job(num_devices=1)
    tick(GROUP)
    make.job(num_devices=8)
    job = make.job(num_devices=4)
    tick(GROUP)
    assert not nodes_of(job)
    shown = page(client_of(Role.READ_ONLY), "/admin/console/what-if/", job=job.pk, priority=5)
    assert "<td>a</td>" in shown
    set_job_priority(job, 5, actor=make.ACTOR)
    tick(GROUP)
    assert racks_of(job) == ["a"]


def test_without_the_preference_no_rack_is_read() -> None:
    two_racks()
    make.job(num_devices=99)
    costs = []
    for wanted in (False, True):
        prefer(wanted=wanted)
        with CaptureQueriesContext(connection) as seen:
            snapshot = load(GROUP)
        costs.append(len(seen))
        assert {node.rack for node in snapshot.nodes} == ({"a", "b"} if wanted else {""})
    assert costs[1] == costs[0] + 1
