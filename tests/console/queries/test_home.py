"""The figures of the first page, each against rows that were made for it."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Agent, Backend, Device, ManagerPresence
from backends.services.nodes import set_backend_status
from console.queries import home
from core.clock import db_now, to_ms
from events.models import Event
from scheduler.choices import Availability, Cause, JobStatus
from scheduler.models import Job
from scheduler.queries.availability import device_availability, node_availability
from scheduler.queries.counts import count_availability
from scheduler.services.jobs import cancel_job
from tests import make
from tests.console.allocations import HOUR, MINUTE, hold
from tests.transitions import unchecked
from usage.calendar import floor_hour
from usage.metering import HOUR_MS, HeldDevices
from usage.services import recount_hours

pytestmark = pytest.mark.django_db


def _silent(node: Backend) -> None:
    """Let a node be silent for a day, while a manager listened."""
    ManagerPresence.objects.update(since=F("since") - timedelta(days=2))
    Agent.objects.filter(backend=node).update(last_seen=F("last_seen") - timedelta(days=1))


def test_each_node_and_device_is_in_use_available_or_unavailable() -> None:
    busy = make.ready_backend(2)
    make.running_job(busy, 2)
    ready, silent, shut = [make.ready_backend(2) for _ in range(3)]
    with unchecked():
        Device.objects.filter(backend=ready, index=0).update(status=DeviceStatus.CLEANING)
    set_backend_status(shut, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    make.backend(1)
    _silent(silent)
    counts = home.counts(db_now())
    assert counts.nodes == {Availability.IN_USE: 1, Availability.AVAILABLE: 1, Availability.UNAVAILABLE: 3}
    assert sum(counts.devices.values()) == 9
    assert counts.devices == {Availability.IN_USE: 2, Availability.AVAILABLE: 1, Availability.UNAVAILABLE: 6}
    assert counts.in_service == 3


def test_the_counts_are_those_of_the_use_of_every_row() -> None:
    nodes = []
    for _ in range(4):
        nodes.append(make.ready_backend(2))
        make.running_job(nodes[-1], 2)
    nodes += [make.ready_backend(2) for _ in range(2)]
    with unchecked():
        Device.objects.filter(backend=nodes[0]).update(status=DeviceStatus.CLEANING)  # as of a reserved SDA
    with unchecked():
        Device.objects.filter(backend=nodes[1]).update(status=DeviceStatus.IDLE)
    set_backend_status(nodes[2], BackendStatus.SHUTDOWN, actor=make.ACTOR)
    Backend.objects.filter(pk__in=[nodes[3].pk, nodes[4].pk]).update(deleted_at=db_now())
    make.backend(1)
    now = db_now()
    devices = Device.objects.filter(backend__deleted_at__isnull=True).annotate(use=device_availability(now))
    rows = (Backend.objects.live().annotate(use=node_availability(now)), devices)
    by_row = tuple(Counter(kind.values_list("use", flat=True)) for kind in rows)
    assert count_availability(now) == by_row
    nodes_of, devices_of = by_row
    assert (nodes_of[Availability.IN_USE], nodes_of[Availability.AVAILABLE], nodes_of[Availability.UNAVAILABLE]) == (
        3,
        1,
        1,
    )
    assert (
        devices_of[Availability.IN_USE],
        devices_of[Availability.AVAILABLE],
        devices_of[Availability.UNAVAILABLE],
    ) == (6, 2, 1)


def test_a_node_in_use_stays_so_when_it_goes_silent_and_its_other_devices_do_not() -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    _silent(node)
    counts = home.counts(db_now())
    assert (counts.nodes, counts.devices) == (
        {Availability.IN_USE: 1},
        {Availability.IN_USE: 1, Availability.UNAVAILABLE: 1},
    )


def test_jobs_count_by_what_they_do_and_how_they_ended_in_a_day() -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    make.job(num_devices=8)
    done, old = make.job(num_devices=8), make.job(num_devices=8)
    for job in (done, old):
        cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    now = db_now()
    Job.objects.filter(pk=old.pk).update(ended_at=now - timedelta(hours=24, minutes=1), requested_at=now - 30 * HOUR)
    counts = home.counts(now)
    assert counts.live_jobs == {JobStatus.RUNNING: 1, JobStatus.WAITING: 1}
    assert counts.ended_jobs == {JobStatus.CANCELED: 1}


def _born(at: datetime) -> None:
    """Let the installation have begun at this time."""
    Event.objects.create(pk=0, action="BEGIN", actor="operator-1", event_time=at)


def test_the_week_is_averaged_from_closed_hours_and_the_open_one() -> None:
    now = floor_hour(db_now()) + 30 * MINUTE
    node, token = make.backend(2), make.token()
    hold(token, node, now - timedelta(days=8), now - timedelta(days=7) + HOUR, index=0)
    hold(token, node, now - 90 * MINUTE, None, index=1)
    for hours in (168, 167, 1):
        recount_hours(floor_hour(now) - hours * HOUR, floor_hour(now) - hours * HOUR + HOUR, actor=make.ACTOR)
    week = home.last_week(now)
    assert week.start == now - timedelta(days=7, minutes=30)
    assert week.device_ms == 90 * 60_000 + 90 * 60_000
    assert week.average == pytest.approx(3 / 168.5)


def test_a_younger_installation_is_measured_from_its_first_device() -> None:
    now = floor_hour(db_now()) + 30 * MINUTE
    token, node = make.token(), make.backend(1)
    _born(now - timedelta(days=2))
    Device.objects.update(created_at=now - 50 * MINUTE)
    hold(token, node, now - 25 * MINUTE, None)
    week = home.last_week(now)
    assert (week.start, week.device_ms, week.average) == (now - 50 * MINUTE, 25 * 60_000, 0.5)


def test_an_installation_of_this_moment_has_an_average_of_nothing() -> None:
    now = db_now()
    assert (home.last_week(now).device_ms, home.last_week(now).average) == (0, 0.0)


def test_the_top_tokens_are_those_of_the_last_week() -> None:
    now = floor_hour(db_now()) - 50 * MINUTE  # what is still to come is used by nobody
    node = make.backend(8)
    tokens = [make.token() for _ in range(10)]
    for index, token in enumerate(tokens[:8]):
        hold(token, node, now - (index + 1) * MINUTE, now, index=index)
    hold(tokens[8], node, now - timedelta(days=9), now - timedelta(days=8), index=0)
    hold(tokens[9], node, now - 2 * HOUR, now - 1 * HOUR, index=0)
    found, total = home.top_tokens(now)
    assert [one.token for one in found] == [tokens[9], *reversed(tokens[1:8])]
    assert (found[0].device_ms, found[0].length, total) == (HOUR_MS, 100.0, (60 + 36) * 60_000)


def test_devices_in_use_are_followed_in_pieces_of_ten_minutes() -> None:
    now = floor_hour(db_now()) + 25 * MINUTE
    node, token = make.backend(2), make.token()
    _born(now - 3 * HOUR)
    hold(token, node, now - 20 * MINUTE, now - 10 * MINUTE, index=0)
    hold(token, node, now - 15 * MINUTE, None, index=1)
    course = home.devices_in_use(now)
    assert (len(course.bounds), len(course.pieces)) == (147, 146)
    assert (course.bounds[0], course.bounds[-1]) == (
        to_ms(floor_hour(now) + 20 * MINUTE - timedelta(days=1)),
        to_ms(now),
    )
    ten, five = 600_000, 300_000
    assert course.pieces[-3:] == [
        HeldDevices(0, 1, five, ten),
        HeldDevices(1, 2, five + ten, ten),
        HeldDevices(1, 1, five, five),
    ]
    assert course.pieces[-19] == HeldDevices(0, 0, 0, five)
    known = [piece is not None for piece in course.pieces]
    assert (known.count(True), known.index(True)) == (1 + 17 + 1, 146 - 19)


def test_the_queue_counts_who_waits_until_placed_ended_or_now() -> None:
    now = floor_hour(db_now()) + 30 * MINUTE
    placed, given_up, waiting = [make.job(num_devices=8) for _ in range(3)]
    cancel_job(given_up, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    _born(now - timedelta(days=3))
    rows = Job.objects.all()
    with unchecked():
        times = {"requested_at": now - 30 * MINUTE, "submitted_at": now - 25 * MINUTE}
        rows.filter(pk=placed.pk).update(**times, status="RUNNING")
    rows.filter(pk=given_up.pk).update(requested_at=now - 28 * HOUR, ended_at=now - 20 * MINUTE)
    rows.filter(pk=waiting.pk).update(requested_at=now - 10 * MINUTE)
    pieces = home.queue_length(now).pieces
    assert pieces[0] == HeldDevices(1, 1, 600_000, 600_000)
    assert pieces[-3:] == [
        HeldDevices(1, 2, 900_000, 600_000),
        HeldDevices(0, 0, 0, 600_000),
        HeldDevices(1, 1, 600_000, 600_000),
    ]


def test_the_first_steps_are_seen_one_by_one() -> None:
    assert home.first_steps() == home.FirstSteps(nodes=False, agents=False, models=False, tokens=False, jobs=False)
    make.backend(1)
    assert home.first_steps() == home.FirstSteps(nodes=True, agents=False, models=False, tokens=False, jobs=False)
    node = make.ready_backend(1)
    make.running_job(node)
    assert home.first_steps() == home.FirstSteps(nodes=True, agents=True, models=True, tokens=True, jobs=True)


def test_first_steps_are_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        home.first_steps()
