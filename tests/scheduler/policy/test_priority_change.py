"""Which priority brings a job to a wished place: the smallest change, and honest where priorities cannot do it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.priority_change import NewPriority as Change
from scheduler.policy.priority_change import QueueKey, priority_between

LEAST, MOST = -99, 99
START = datetime(2026, 1, 1, tzinfo=UTC)


def job(priority: int, minute: int, pk: int = 0) -> QueueKey:
    return QueueKey(priority, START + timedelta(minutes=minute), pk or minute)


# (the job, who shall be ahead, who shall be behind) → what is done
CASES = {
    "alone it keeps its priority": (job(3, 1), None, None, Change(3, True)),
    "where it stands already, nothing changes": (job(0, 2), job(0, 1), job(0, 3), Change(0, True)),
    "in front of an older request of its priority takes one more": (job(0, 5), None, job(0, 1), Change(1, True)),
    "in front of a younger request of a higher priority takes just that priority": (
        job(0, 1), None, job(7, 5), Change(7, True),
    ),
    "in front of an older request of a higher priority takes one more than that": (
        job(0, 5), None, job(7, 1), Change(8, True),
    ),
    "between two priorities the nearer end is taken": (job(0, 9), job(50, 1), job(10, 2), Change(11, True)),
    "between two priorities from above the nearer end is taken": (job(80, 9), job(50, 1), job(10, 2), Change(50, True)),
    "behind a younger request takes one less": (job(0, 1), job(0, 5), None, Change(-1, True)),
    "behind an older request of a lower priority takes that priority": (job(5, 9), job(-3, 1), None, Change(-3, True)),
    "between two ties, older than both: in front of both": (job(-5, 1), job(0, 2), job(0, 3), Change(0, False)),
    "between two ties, younger than both: past both": (job(-5, 9), job(0, 2), job(0, 3), Change(1, False)),
    "down between two ties, younger than both: behind both": (job(5, 9), job(0, 2), job(0, 3), Change(0, False)),
    "between two ties in the order of requests the tie is joined": (job(9, 5), job(0, 1), job(0, 8), Change(0, True)),
    "a tie in time is broken by the number": (job(0, 1, 7), job(4, 1, 3), job(4, 1, 9), Change(4, True)),
    "in front of 99 by an older request: 99": (job(0, 1), None, job(99, 2), Change(99, True)),
    "in front of 99 by a younger request: impossible": (job(0, 5), None, job(99, 2), None),
    "behind -99 by a younger request: -99": (job(0, 5), job(-99, 2), None, Change(-99, True)),
    "behind -99 by an older request: impossible": (job(0, 1), job(-99, 2), None, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_change(case: str) -> None:
    moving, ahead, behind, wanted = CASES[case]
    assert priority_between(moving, ahead, behind, least=LEAST, most=MOST) == wanted


# Where shares decide among equals: only another priority surely stands in front or behind
FAIR = {
    "in front of one of its own priority takes one more": (job(0, 5), None, job(0, 1), Change(1, True)),
    "also when its request is older": (job(0, 1), None, job(7, 5), Change(8, True)),
    "behind one of a lower priority takes less than that": (job(5, 9), job(-3, 1), None, Change(-4, True)),
    "between two priorities": (job(0, 9), job(5, 1), job(3, 2), Change(4, True)),
    "up between two ties: in front of all of them": (
        QueueKey(0, START, 9, fair_rank=3),
        QueueKey(0, START, 1, fair_rank=1),
        QueueKey(0, START, 2, fair_rank=2),
        Change(1, False),
    ),
    "down between two ties: behind all of them": (
        QueueKey(0, START, 9, fair_rank=1),
        QueueKey(0, START, 1, fair_rank=2),
        QueueKey(0, START, 2, fair_rank=3),
        Change(-1, False),
    ),
    "above the highest priority there is none": (job(0, 1), None, job(99, 2), None),
}  # fmt: skip


@pytest.mark.parametrize("case", FAIR)
def test_in_a_fair_queue(case: str) -> None:
    moving, ahead, behind, wanted = FAIR[case]
    assert priority_between(moving, ahead, behind, least=LEAST, most=MOST, fair=True) == wanted


standings = st.builds(
    QueueKey,
    priority=st.integers(-4, 4),
    requested_at=st.integers(0, 3).map(lambda n: START + timedelta(minutes=n)),
    id=st.just(0),
)


@given(st.lists(standings, min_size=2, max_size=7), st.integers(0, 6), st.integers(0, 6))
def test_no_smaller_change_would_do(found: list[QueueKey], which: int, place: int) -> None:
    """On small random queues, against trying every priority."""
    queue = [QueueKey(one.priority, one.requested_at, pk) for pk, one in enumerate(found)]
    moving = queue.pop(which % len(queue))
    queue.sort(key=lambda one: one.key)
    at = place % (len(queue) + 1)
    ahead, behind = (queue[at - 1] if at else None), (queue[at] if at < len(queue) else None)

    def lands(priority: int) -> int:
        key = QueueKey(priority, moving.requested_at, moving.id).key
        return sum(one.key < key for one in queue)

    right = [p for p in range(-5, 6) if lands(p) == at]
    move = priority_between(moving, ahead, behind, least=-5, most=5)
    assert (move is not None and move.exact) == bool(right)
    if right:
        assert move is not None
        assert move.priority in right
        assert abs(move.priority - moving.priority) == min(abs(p - moving.priority) for p in right)
    elif move is not None:
        now = lands(moving.priority)
        passed = lands(move.priority)
        assert passed < at if at < now else passed > at
