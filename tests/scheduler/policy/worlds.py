"""Random groups and queues, and the placement rules written down a second time, slowly."""

from hypothesis import strategies as st

from scheduler.policy.snapshot import Node, Request, Snapshot


def bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


def neighbours(mask: int) -> bool:
    return bits(mask) == list(range(min(bits(mask)), max(bits(mask)) + 1))


def has_run(free: int, count: int) -> bool:
    return any(free >> start & (1 << count) - 1 == (1 << count) - 1 for start in range(free.bit_length()))


@st.composite
def nodes(draw: st.DrawFn, most: int = 12) -> tuple[Node, ...]:
    sizes = draw(st.sampled_from([[8], [4], [2, 8], [1, 2, 4, 8, 16], list(range(1, 17))]))
    ids = draw(st.lists(st.integers(0, 99), unique=True, max_size=most))
    drawn = []
    for id_ in ids:
        size = draw(st.sampled_from(sizes))
        full = (1 << size) - 1
        drawn.append(Node(id_, draw(st.just(full) | st.integers(0, full)), size))
    return tuple(drawn)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, ...]:
    ids = draw(st.lists(st.integers(1, 999), unique=True, max_size=15))
    return tuple(
        Request(
            id=id_,
            token_id=draw(st.integers(1, 3)),
            sda_id=draw(st.integers(1, 6)),
            devices=draw(st.integers(1, 8) | st.integers(1, 60)),
            priority=draw(st.integers(-2, 2)),
            requested_ms=draw(st.integers(0, 3)),
        )
        for id_ in ids
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    active = draw(nodes())
    asleep = draw(st.lists(st.integers(1, 16), max_size=2))
    sizes = [node.size for node in active] + asleep
    return Snapshot(
        group_id=0,
        combine=draw(st.booleans()),
        nodes=active,
        queue=draw(requests()),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        sda_slots=draw(st.dictionaries(st.integers(1, 6), st.integers(0, 2), max_size=3)),
    )


def nodes_by_the_book(free: dict[int, int], sizes: dict[int, int], count: int, combine: bool) -> list[tuple[int, int]]:
    """Say how many devices of which node a job gets: scan everything, and follow scheduling.md to the letter."""
    left = {id_: mask.bit_count() for id_, mask in free.items()}
    chosen: list[tuple[int, int]] = []
    while count:
        fitting = [id_ for id_ in left if left[id_] >= count]
        if fitting:
            best = min(fitting, key=lambda id_: (left[id_], left[id_] == sizes[id_], id_))
            return [*chosen, (best, count)]
        if not combine or sum(left.values()) < count:
            return []
        whole = [id_ for id_ in left if left[id_] == sizes[id_]]
        best = min(whole or left, key=lambda id_: (-left[id_], id_))
        chosen.append((best, left[best]))
        count -= left.pop(best)
    return chosen
