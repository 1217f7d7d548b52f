"""What the page of what-if reads besides the answer: whom its words mean, and how those are called who are told of."""

from collections.abc import Collection, Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from django.db.models import Q

from backends.models import Backend
from scheduler.models import WAITING, Job

ALL = "*"


class Node(NamedTuple):
    """A node with its group."""

    pk: int
    name: str
    group: int


class Called(NamedTuple):
    """How a job is told of."""

    customer: str
    process: str


def nodes(words: Collection[str], group: int) -> list[Node]:
    """Find nodes by name; `gpu-*` are all whose names begin so, `*` all of the group."""
    if not words:
        return []
    found = Backend.objects.live().filter(reduce(or_, [_meant(word, group) for word in words]))
    return [Node(*row) for row in found.order_by("name").values_list("pk", "name", "group_id")]


def unknown(words: Collection[str], found: Collection[Node]) -> list[str]:
    """Give the words that mean no node."""
    names = {node.name for node in found}
    begins = [word for word in words if word.endswith(ALL) and any(name.startswith(word[:-1]) for name in names)]
    return [word for word in words if word not in names and word not in begins]


def waiting_groups(job: int) -> dict[int, int]:
    """Give the group of a job that waits; nothing when it does not wait."""
    return dict(Job.objects.filter(WAITING, pk=job).values_list("pk", "group_id"))


def called(jobs: Collection[int]) -> Mapping[int, Called]:
    """Name some jobs, in one query."""
    rows = Job.objects.filter(pk__in=jobs).values_list("pk", "token__description", "process_name")
    return {pk: Called(customer, process) for pk, customer, process in rows}


def _meant(word: str, group: int) -> Q:
    if word == ALL:
        return Q(group=group)
    return Q(name__startswith=word[:-1]) if word.endswith(ALL) else Q(name=word)
