"""Quota: what the limits of SDAs, tokens and token groups still allow."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace

from scheduler.policy.decisions import PendingReason, Waits
from scheduler.policy.snapshot import Limit, Limits, QueuedRequest, Running


class QuotaLedger:
    """How many jobs SDAs, and how many devices tokens and token groups, may still use while a plan is made."""

    def __init__(self, limits: Limits, sda_slots: Mapping[int, int]) -> None:
        self._limits = limits
        self._slots = dict(sda_slots)
        self._by_token = {token: limit.held for token, limit in limits.tokens.items()}
        self._by_group = {group: limit.held for group, limit in limits.groups.items()}

    def without(self, request: QueuedRequest) -> "QuotaLedger":
        """Return the quota that is left after a request."""
        rest = copy(self)
        rest._slots, rest._by_token, rest._by_group = dict(self._slots), dict(self._by_token), dict(self._by_group)
        rest.take(request)
        return rest

    def violation(self, request: QueuedRequest) -> Waits | None:
        """Return what forbids a request: its stopped token, the slots of its SDA, or a limit; None if nothing does."""
        if request.token_id in self._limits.stopped:
            return Waits(request.id, PendingReason.TOKEN_STOPPED, request.devices, 0)
        if self._slots and self._slots.get(request.sda_id, 1) < 1:
            return Waits(request.id, PendingReason.SDA_BUSY, 1, 0)
        return self._over_limit(request)

    def _over_limit(self, request: QueuedRequest) -> Waits | None:
        """Return the limit that a request would exceed: that of the token first, then of its groups by id."""
        token = self._limits.tokens.get(request.token_id)
        if token and (waits := _over(request, PendingReason.OVER_TOKEN_LIMIT, self._by_token[request.token_id], token)):
            return waits
        for group in self._limits.groups_of.get(request.token_id, ()):
            limit = self._limits.groups[group]
            if waits := _over(request, PendingReason.OVER_GROUP_LIMIT, self._by_group[group], limit):
                return waits
        return None

    def take(self, request: QueuedRequest) -> None:
        """Count a placed request."""
        if request.sda_id in self._slots:
            self._slots[request.sda_id] -= 1
        if request.token_id in self._by_token:
            self._by_token[request.token_id] += request.devices
        for group in self._limits.groups_of.get(request.token_id, ()):
            self._by_group[group] += request.devices


def _over(request: QueuedRequest, reason: PendingReason, held: int, limit: Limit) -> Waits | None:
    wanted = held + request.devices
    return Waits(request.id, reason, wanted, limit.most) if wanted > limit.most else None


def counted(limits: Limits, job: Running, sign: int) -> Limits:
    """Return limits with a job's devices added (1) to or removed (-1) from what its token and groups hold."""
    count = sign * sum(mask.bit_count() for _node, mask in job.devices)
    tokens, groups = dict(limits.tokens), dict(limits.groups)
    if held := tokens.get(job.token_id):
        tokens[job.token_id] = Limit(held.held + count, held.most)
    for group in limits.groups_of.get(job.token_id, ()):
        groups[group] = Limit(groups[group].held + count, groups[group].most)
    return replace(limits, tokens=tokens, groups=groups)
