"""How many devices tokens and user groups hold, of those that may hold only so many, and which tokens are stopped."""

from collections.abc import Iterable

from django.db.models import Count, Q

from scheduler.models import Allocation
from scheduler.policy.snapshot import Limit, Limits
from scheduler.queries import OPEN
from tokens.models import Token, TokenGroup

LIMITED = Q(max_devices__isnull=False)
STOPPED = Q(stopped_at__isnull=False)


def read_limits(token_ids: Iterable[int], *, lock: bool = False) -> Limits:
    """Read what limits these tokens, and what is held of it in all backend groups, in two to four queries.

    `lock`: nobody changes what they count before the caller's transaction is over, because ticks of other backend
    groups that give devices to the same tokens wait for the same rows, in the same order.
    """
    tokens = list(token_ids)
    limited = Token.objects.filter(LIMITED | STOPPED, pk__in=tokens).order_by("pk")
    rows = list(
        (limited.select_for_update(no_key=True) if lock else limited).values_list("pk", "max_devices", "stopped_at")
    )
    own = {pk: most for pk, most, _stopped in rows if most is not None}
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


def _groups(tokens: list[int]) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Give the limited groups of each token, the lowest first, and each group's limit."""
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
