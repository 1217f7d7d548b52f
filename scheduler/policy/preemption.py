"""Whose devices a job of higher priority may take."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from scheduler.policy.placement import FreeDevices
from scheduler.policy.snapshot import Request, Running, Snapshot


def victims_of(head: Request, snapshot: Snapshot, free: FreeDevices) -> tuple[int, ...]:
    """Choose the jobs that shall give their devices back so that the head fits; none when nothing would help.

    The lowest priority goes first, of equals the one that began last, since it loses least. Devices that are
    already on their way back count, so nobody is taken from twice for the same need.
    """
    if not snapshot.rules.preempt:
        return ()
    takeable = sorted(_takeable(head, snapshot), key=lambda job: (job.priority, -job.started_ms, job.id))
    if snapshot.combine:
        missing = head.devices - free.total - sum(_returning(snapshot).values())
        return _fewest(takeable, missing)
    return _on_the_cheapest_node(head, snapshot, free, takeable)


def _takeable(head: Request, snapshot: Snapshot) -> Iterator[Running]:
    """Give the jobs from which the head may take devices, with those on nodes that are there: others help nobody."""
    old_enough = snapshot.now_ms - snapshot.rules.min_run_ms
    here = {node.id for node in snapshot.nodes}
    for job in snapshot.running:
        if job.priority < head.priority and not job.leaving and not job.fixed and job.started_ms <= old_enough:
            devices = tuple(place for place in job.devices if place[0] in here)
            if devices:
                yield replace(job, devices=devices)


def _returning(snapshot: Snapshot) -> dict[int, int]:
    """Count the devices of each node that are being cleaned or will be, once those who leave have left."""
    returning = {node.id: node.coming.bit_count() for node in snapshot.nodes}
    for job in snapshot.running:
        for node, mask in job.devices if job.leaving else ():
            if node in returning:
                returning[node] += mask.bit_count()
    return returning


def _fewest(takeable: Sequence[Running], missing: int, node: int | None = None) -> tuple[int, ...]:
    """Take jobs in order until enough is there, then let go again whom it does not take."""
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
    head: Request, snapshot: Snapshot, free: FreeDevices, takeable: Sequence[Running]
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
