"""Preemption: from which jobs a job of higher priority takes devices."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from scheduler.policy.maintenance import needed_until, usable_until
from scheduler.policy.placement import FreeDevices
from scheduler.policy.snapshot import QueuedRequest, Running, Snapshot


def choose_victims(head: QueuedRequest, snapshot: Snapshot, free: FreeDevices) -> tuple[int, ...]:
    """Return the jobs to preempt so that the head fits; none if that is impossible.

    The lowest priority goes first; of equal ones the job that started last, because it loses least. Devices that are
    already being freed count, so that no more jobs are preempted than needed.
    """
    if not snapshot.rules.preempt:
        return ()
    until_ms = needed_until(snapshot.now_ms, head.limit_ms)
    snapshot = usable_until(snapshot, until_ms)
    takeable = sorted(_takeable(head, snapshot), key=lambda job: (job.priority, -job.started_ms, job.id))
    if snapshot.combine:
        missing = head.devices - free.total_until(until_ms) - sum(_returning(snapshot).values())
        return _fewest(takeable, missing)
    return _on_the_cheapest_node(head, snapshot, free, takeable)


def still_helps(job_id: int, head: QueuedRequest, snapshot: Snapshot) -> bool:
    """Whether the head needs the devices of a preempted job, and can start with them."""
    snapshot = usable_until(snapshot, needed_until(snapshot.now_ms, head.limit_ms))
    mine = next((job for job in snapshot.running if job.id == job_id), None)
    if mine is None or mine.priority >= head.priority:
        return False
    there = _returning(snapshot)
    for node in snapshot.nodes:
        there[node.id] += node.free.bit_count()
    without = dict(there)
    for node_id, mask in mine.returning(there):
        without[node_id] -= mask.bit_count()
    if snapshot.combine:
        return sum(without.values()) < head.devices <= sum(there.values())
    return max(without.values(), default=0) < head.devices <= max(there.values(), default=0)


def _takeable(head: QueuedRequest, snapshot: Snapshot) -> Iterator[Running]:
    """Yield the jobs that the head may preempt, with only those of their devices that become free again."""
    old_enough = snapshot.now_ms - snapshot.rules.min_run_ms
    here = {node.id for node in snapshot.nodes}
    for job in snapshot.running:
        lower = job.priority < head.priority and not job.preempted and not job.fixed
        if lower and job.started_ms <= old_enough and (devices := job.returning(here)):
            yield replace(job, devices=devices, lost=())


def _returning(snapshot: Snapshot) -> dict[int, int]:
    """Return how many devices of each node are being cleaned, or will be free when preempted jobs have ended."""
    returning = {node.id: node.coming.bit_count() for node in snapshot.nodes}
    for job in snapshot.running:
        for node, mask in job.returning(returning) if job.preempted else ():
            returning[node] += mask.bit_count()
    return returning


def _fewest(takeable: Sequence[Running], missing: int, node: int | None = None) -> tuple[int, ...]:
    """Return jobs in order until there are enough devices, without those that are not needed in the end."""
    if missing <= 0:
        return ()
    chosen: list[Running] = []
    for job in takeable:
        chosen.append(job)
        missing -= _size(job, node)
        if missing <= 0:
            break
    else:
        return ()
    for job in reversed(tuple(chosen)):
        if missing + _size(job, node) <= 0:
            chosen.remove(job)
            missing += _size(job, node)
    return tuple(job.id for job in chosen)


def _on_the_cheapest_node(
    head: QueuedRequest, snapshot: Snapshot, free: FreeDevices, takeable: Sequence[Running]
) -> tuple[int, ...]:
    returning = _returning(snapshot)
    here: dict[int, list[Running]] = {}
    for job in takeable:
        for at, _mask in job.devices:
            here.setdefault(at, []).append(job)
    best: tuple[tuple[int, int, int], tuple[int, ...]] | None = None
    for node in snapshot.nodes:
        missing = head.devices - free.on(node.id).bit_count() - returning[node.id]
        if node.size < head.devices:
            continue
        if missing <= 0:
            return ()
        if chosen := _fewest(here.get(node.id, ()), missing, node.id):
            cost = (*_cost(chosen, here[node.id]), node.id)
            best = min(best, (cost, chosen)) if best else (cost, chosen)
    return best[1] if best else ()


def _cost(chosen: Iterable[int], jobs: Iterable[Running]) -> tuple[int, int]:
    lost = [job for job in jobs if job.id in set(chosen)]
    return max(job.priority for job in lost), sum(_size(job, None) for job in lost)


def _size(job: Running, node: int | None) -> int:
    return sum(mask.bit_count() for at, mask in job.devices if node is None or at == node)
