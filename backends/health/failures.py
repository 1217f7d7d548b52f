"""Which devices fail jobs again and again while their neighbours do not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

MANY = 3  # failed jobs within the time that is looked at


def failing_devices(failures: Iterable[tuple[int, int, int]]) -> Mapping[int, int]:
    """Return, by device, the number of its failed jobs, for devices that alone on their node have MANY.

    `failures`: node, device and job. Where several devices of a node have as many, the cause is elsewhere: a job that
    used all of them, the node, or the software.
    """
    nodes: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for node, device, job in failures:
        nodes[node][device].add(job)
    found: dict[int, int] = {}
    for devices in nodes.values():
        many = [(device, len(jobs)) for device, jobs in devices.items() if len(jobs) >= MANY]
        if len(many) == 1:
            found.update(many)
    return found
