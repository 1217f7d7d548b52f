from collections.abc import Mapping
from copy import copy

from scheduler.policy.reasons import Reason, Waits
from scheduler.policy.snapshot import Limit, Limits, Request


class Room:
    """How many jobs SDAs, and how many devices tokens and token groups may still take, while a plan is made."""

    def __init__(self, limits: Limits, sda_slots: Mapping[int, int]) -> None:
        self._limits = limits
        self._slots = dict(sda_slots)
        self._by_token = {token: limit.held for token, limit in limits.tokens.items()}
        self._by_group = {group: limit.held for group, limit in limits.groups.items()}

    def without(self, request: Request) -> "Room":
        """Give the room that is left when a request has taken its part."""
        rest = copy(self)
        rest._slots, rest._by_token, rest._by_group = dict(self._slots), dict(self._by_token), dict(self._by_group)
        rest.take(request)
        return rest

    def too_much(self, request: Request) -> Waits | None:
        """Say what the request would break: that its token is stopped, the slots of its SDA, or a limit."""
        if request.token_id in self._limits.stopped:
            return Waits(request.id, Reason.TOKEN_STOPPED, request.devices, 0)
        if self._slots and self._slots.get(request.sda_id, 1) < 1:
            return Waits(request.id, Reason.SDA_BUSY, 1, 0)
        return self._over_limit(request)

    def _over_limit(self, request: Request) -> Waits | None:
        """Say which limit the request would break, if any: the token's own first, then the lowest group."""
        token = self._limits.tokens.get(request.token_id)
        if token and (why := _over(request, Reason.OVER_TOKEN_LIMIT, self._by_token[request.token_id], token)):
            return why
        for group in self._limits.groups_of.get(request.token_id, ()):
            limit = self._limits.groups[group]
            if why := _over(request, Reason.OVER_GROUP_LIMIT, self._by_group[group], limit):
                return why
        return None

    def take(self, request: Request) -> None:
        """Count a placed request in."""
        if request.sda_id in self._slots:
            self._slots[request.sda_id] -= 1
        if request.token_id in self._by_token:
            self._by_token[request.token_id] += request.devices
        for group in self._limits.groups_of.get(request.token_id, ()):
            self._by_group[group] += request.devices


def _over(request: Request, reason: Reason, held: int, limit: Limit) -> Waits | None:
    wanted = held + request.devices
    return Waits(request.id, reason, wanted, limit.most) if wanted > limit.most else None
