"""The laws of repairs, read from the rows of an installation and the fault books of its simulated fleet."""

import random
import time
from collections import Counter, defaultdict
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from backends.choices import Verdict
from backends.health.findings import kind_of
from backends.models import Agent, Backend, BackendGroup, Device
from backends.services.groups import update_backend_group
from clients.agent.devices.facts import Code
from core.clock import db_now
from events.actor import SYSTEM
from events.models import Event
from fleet.faults import FAULTS, FaultBook
from fleet.faults.table import FaultEffect
from fleet.roster import DEVICES
from remediation.choices import OPEN, RepairState
from remediation.models import Repair, RepairStep, RepairTarget
from scheduler.choices import Cause, JobStatus
from scheduler.models import Allocation, Job

KINDS = [name for name, fault in FAULTS.items() if fault.by_chance]
ONE_CHECK_S = 70.0  # the longest check of an agent, and the time between two looks
BAD = (FaultEffect.FAILS_CHECK, FaultEffect.SILENT)


def nodes_up() -> int:
    """Count the nodes whose agents have a stream."""
    return Agent.objects.filter(session__isnull=False, last_seen__isnull=False).count()


def allow_everything() -> None:
    """Allow every remedy in every group, and check devices before jobs and at intervals."""
    remedies: dict[str, Any] = dict.fromkeys(
        ("repair_clean", "repair_reset", "repair_reboot", "repair_power_cycle"), True
    )
    limits: dict[str, Any] = {"repair_attempts": 100, "repair_percent": 25, "repair_drain_min": 1, "repair_force": True}
    for group in BackendGroup.objects.live():
        update_backend_group(group, actor=SYSTEM, preflight=True, check_every_h=1, **remedies, **limits)


def book_of(folder: Path, name: str) -> FaultBook:
    """Return the fault book of a node."""
    return FaultBook(folder / "fleet" / name)


def strike(run: Any, folder: Path, chance: random.Random) -> None:
    """Let a device that has no fault have one; every kind comes once before any comes again."""
    seen = Counter(kind for _node, _device, kind, _at in run.faults)
    least = min((seen[kind] for kind in KINDS), default=0)
    kind = chance.choice([kind for kind in KINDS if seen[kind] == least])
    name, device = chance.choice(list(Backend.objects.live().values_list("name", flat=True))), chance.randrange(DEVICES)
    if any(one.device == device for one in book_of(folder, name).read().faults):
        return
    book_of(folder, name).add(device, kind)
    run.faults.append((name, device, kind, db_now()))


def look(run: Any) -> None:
    """Note how long devices without a fault are kept out while their nodes are not drained or repaired as a whole."""
    faulty = {(name, device) for name, device, _kind, _at in run.faults}
    under_way = Repair.objects.filter(state__in=(RepairState.DRAINING, RepairState.REMEDY)).values("backend")
    whole = RepairTarget.objects.filter(device=None, ended_at=None).values("repair__backend")
    kept = Device.objects.filter(in_repair=True, status="SHUTDOWN").exclude(backend__in=under_way)
    places = set(kept.exclude(backend__in=whole).values_list("backend__name", "index")) - faulty
    now = time.monotonic()
    run.out_since = {place: run.out_since.get(place, now) for place in places}
    for place, since in run.out_since.items():
        run.longest_out[place] = max(run.longest_out.get(place, 0.0), now - since)


def check_all_devices() -> None:
    """Let all idle devices be due for a health check."""
    Device.objects.update(checked_at=None)


def is_settled(run: Any) -> bool:
    """Whether every repair is over or waits for a technician, and every idle device was checked."""
    look(run)
    under_way = Repair.objects.filter(state__in=OPEN).exclude(state=RepairState.NEEDS_HANDS)
    failed = Device.objects.filter(verdict=Verdict.FAILED, repair_targets=None)
    return not (under_way.exists() or failed.exists() or Device.objects.filter(status="IDLE", checked_at=None).exists())


def judge(run: Any, folder: Path, *, settled: bool) -> None:
    """Add a line for each broken law, and print the figures."""
    if not settled:
        left = Repair.objects.filter(state__in=OPEN).exclude(state=RepairState.NEEDS_HANDS)
        run.broken.append(f"repairs are still under way: {list(left.values_list('pk', 'state', 'waits_for'))}")
    _second_jobs(run)
    _devices(run, folder)
    _healthy_ones(run)
    print("repairs:", dict(Counter(Repair.objects.values_list("state", flat=True))))
    print("steps:", dict(Counter(RepairStep.objects.values_list("verb", "state"))))
    print("jobs:", dict(Counter(Job.objects.values_list("status", "cause"))))


def _second_jobs(run: Any) -> None:
    """No fault fails a second job: a job that a worker ended is put down to the last fault on one of its devices."""
    lost = Allocation.objects.filter(job__status=JobStatus.FAILED, job__cause=Cause.WORKER_ERROR)
    fields = ("job", "job__ended_at", "device__backend__name", "device__index")
    devices: dict[tuple[int, datetime], set[tuple[str, int]]] = defaultdict(set)
    for job, ended_at, name, index in lost.values_list(*fields):
        devices[job, ended_at].add((name, index))
    stopping = [fault for fault in run.faults if _ends_workers(fault[2])]
    culprits: Counter[Any] = Counter()
    for (job, ended_at), places in devices.items():
        before = [fault for fault in stopping if fault[:2] in places and fault[3] <= ended_at]
        if before:
            culprits[max(before, key=itemgetter(3))] += 1
        else:
            run.broken.append(f"job {job} failed on {sorted(places)} without a fault")
    print(f"faults that failed a job: {len(culprits)} of {len(stopping)} that end workers")
    run.broken += [f"{fault} failed {jobs} jobs" for fault, jobs in culprits.items() if jobs > 1]


def _devices(run: Any, folder: Path) -> None:
    """What can be repaired is back; what cannot waits for a technician with its evidence."""
    for name in sorted({name for name, _device, _kind, _at in run.faults}):
        faults = book_of(folder, name).read().faults
        bad = {one.device for one in faults if _fails(one.fault)}
        for device in Device.objects.filter(backend__name=name):
            hands = Repair.objects.filter(backend__name=name, state=RepairState.NEEDS_HANDS).first()
            if device.index in bad and not (hands and f"{device.index:02}: " in hands.evidence):
                run.broken.append(f"{name}/{device.index} has {faults} and does not wait with its evidence")
            stuck = {one.device for one in faults if FAULTS[one.fault].effect is FaultEffect.KEEPS_PROCESSES}
            if device.index not in bad | stuck and device.verdict == Verdict.FAILED:
                run.broken.append(f"{name}/{device.index} has no fault and is failed")


def _healthy_ones(run: Any) -> None:
    """No device fails that has no fault, and none is left out when repairs are over."""
    faulty = {(name, device) for name, device, _kind, _at in run.faults}
    names = dict(Backend.objects.values_list("pk", "name"))
    for event in Event.objects.filter(action="SET_DEVICE_VERDICT", request__verdict="FAILED"):
        place = names[int(event.subject.split("/")[1])], event.request["device"]
        if place not in faulty:
            run.broken.append(f"{place} was failed without a fault: {event.request}")
    kept = Device.objects.filter(in_repair=True).values_list("backend__name", "index")
    over = {place: seconds for place, seconds in run.longest_out.items() if seconds > ONE_CHECK_S}
    run.broken += [f"{place} has no fault and was out for {seconds:.0f} s" for place, seconds in over.items()]
    print(f"longest time without a fault out of service: {max(run.longest_out.values(), default=0.0):.0f} s")
    run.broken += [f"{place} is kept out without a fault" for place in kept if place not in faulty]


def _ends_workers(fault: str) -> bool:
    """Whether a fault fails jobs: a device that has vanished takes its job along."""
    return FAULTS[fault].stops_work or FAULTS[fault].effect is FaultEffect.SILENT


def _fails(fault: str) -> bool:
    reported = (kind_of(Code.Code.Name(code), number) for code, number in FAULTS[fault].facts)
    return FAULTS[fault].effect in BAD or any(kind.verdict == Verdict.FAILED for kind in reported)
