"""The waiting jobs of a replay in the order of a policy. The cost of a step does not grow with the queue."""

from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping

from scheduler.policy.ordering import in_fair_order
from scheduler.policy.snapshot import Policy, QueuedRequest


class WaitingJobs(ABC):
    """A queue; requests are added in the order of their submission."""

    @abstractmethod
    def add(self, request: QueuedRequest) -> None:
        """Add a request."""

    @abstractmethod
    def remove(self, requests: Collection[QueuedRequest]) -> None:
        """Remove requests that have started."""

    @abstractmethod
    def in_order(self, decayed_usage: Mapping[int, float]) -> Iterator[QueuedRequest]:
        """Yield the queue in the order of the policy; `decayed_usage` by token."""

    @abstractmethod
    def __bool__(self) -> bool:
        """Whether any request waits."""


class ByAge(WaitingJobs):
    """Priority 99 first, then the oldest request."""

    def __init__(self) -> None:
        self._by_priority: dict[int, OrderedDict[int, QueuedRequest]] = {}

    def add(self, request: QueuedRequest) -> None:
        self._by_priority.setdefault(request.priority, OrderedDict())[request.id] = request

    def remove(self, requests: Collection[QueuedRequest]) -> None:
        for request in requests:
            del self._by_priority[request.priority][request.id]

    def in_order(self, decayed_usage: Mapping[int, float]) -> Iterator[QueuedRequest]:  # noqa: ARG002 - it makes no difference
        for priority in sorted(self._by_priority, reverse=True):
            yield from self._by_priority[priority].values()

    def __bool__(self) -> bool:
        return any(self._by_priority.values())


class ByUsage(WaitingJobs):
    """Within each priority, the token with the least usage goes first; only the first job of a token can start."""

    def __init__(self) -> None:
        self._by_priority: dict[int, dict[int, deque[QueuedRequest]]] = {}

    def add(self, request: QueuedRequest) -> None:
        by_token = self._by_priority.setdefault(request.priority, {})
        by_token.setdefault(request.token_id, deque()).append(request)

    def remove(self, requests: Collection[QueuedRequest]) -> None:
        for request in requests:
            by_token = self._by_priority[request.priority]
            by_token[request.token_id].popleft()
            if not by_token[request.token_id]:
                del by_token[request.token_id]

    def in_order(self, decayed_usage: Mapping[int, float]) -> Iterator[QueuedRequest]:
        for priority in sorted(self._by_priority, reverse=True):
            yield from in_fair_order(self._by_priority[priority], decayed_usage)

    def __bool__(self) -> bool:
        return any(self._by_priority.values())


def waiting_queue(policy: Policy) -> WaitingJobs:
    """Return an empty queue for this policy."""
    return ByUsage() if policy is Policy.FAIR else ByAge()
