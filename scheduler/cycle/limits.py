"""Limits of tokens and token groups, the devices held under them, and stopped tokens."""

from collections.abc import Iterable

from django.db.models import Count, Q

from backends.models import BackendGroup
from core.locks import keep
from scheduler.models import Allocation
from scheduler.policy.snapshot import Limit, Limits
from scheduler.queries.allocations import OPEN
from tokens.models import Token, TokenGroup

LIMITED = Q(max_devices__isnull=False)
STOPPED = Q(stopped_at__isnull=False)


def is_draining(group_id: int) -> bool:
    """Whether a backend group starts no new jobs; this cannot change before the caller's transaction ends."""
    keep(BackendGroup, [group_id])
    return BackendGroup.objects.filter(pk=group_id, draining=True).exists()


def read_limits(token_ids: Iterable[int], *, lock: bool = False) -> Limits:
    """Return the limits of some tokens and what is held under them in all backend groups, in two to four queries.

    `lock`: nothing of it changes before the caller's transaction ends. Cycles of other backend groups that bind jobs
    of the same tokens wait for the same rows, locked in the same order; nobody stops one of the tokens, or sets a first
    limit for it or for one of its groups.
    """
    tokens = list(token_ids)
    if lock:
        keep(Token, tokens)
    limited = Token.objects.filter(LIMITED | STOPPED, pk__in=tokens).order_by("pk")
    rows = list(
        (limited.select_for_update(no_key=True) if lock else limited).values_list("pk", "max_devices", "stopped_at")
    )
    own = {pk: most for pk, most, _stopped in rows if most is not None}
    if lock:
        keep(TokenGroup, _groups_of(tokens))
    groups_of, most = _groups(tokens)
    if lock and most:
        list(TokenGroup.objects.select_for_update(no_key=True).filter(pk__in=most).order_by("pk").values_list("pk"))
    held = _held_by_tokens(own) if own else {}
    held_by_groups = _held_by_groups(most) if most else {}
    return Limits(
        {pk: Limit(held.get(pk, 0), limit) for pk, limit in own.items()},
        {pk: Limit(held_by_groups.get(pk, 0), limit) for pk, limit in most.items()},
        {pk: tuple(groups) for pk, groups in groups_of.items()},
        frozenset(pk for pk, _most, stopped in rows if stopped),
    )


def _groups_of(tokens: list[int]) -> set[int]:
    return set(TokenGroup.tokens.through.objects.filter(token__in=tokens).values_list("tokengroup_id", flat=True))


def _groups(tokens: list[int]) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Return the limited groups of each token, the lowest first, and each group's limit."""
    rows = TokenGroup.tokens.through.objects.filter(
        token__in=tokens, tokengroup__max_devices__isnull=False, tokengroup__deleted_at__isnull=True
    )
    groups_of: dict[int, list[int]] = {}
    most: dict[int, int] = {}
    for token, group, limit in rows.order_by("tokengroup").values_list(
        "token_id", "tokengroup_id", "tokengroup__max_devices"
    ):
        groups_of.setdefault(token, []).append(group)
        most[group] = limit or 0
    return groups_of, most


def _held_by_tokens(tokens: Iterable[int]) -> dict[int, int]:
    held = Allocation.objects.filter(OPEN, token__in=list(tokens)).order_by()
    return dict(held.values_list("token_id").annotate(devices=Count("pk")))


def _held_by_groups(groups: Iterable[int]) -> dict[int, int]:
    held = Allocation.objects.filter(OPEN, token__groups__in=list(groups)).order_by()
    return dict(held.values_list("token__groups").annotate(devices=Count("pk")))
