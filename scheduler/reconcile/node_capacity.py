"""The check of node capacities, which only PostgreSQL stores."""

from django.db.models import QuerySet

from backends.models import Backend
from backends.node_capacity import recount_node_capacity, wrong_node_capacities
from scheduler.reconcile.checks import Check


def _capacities_that_differ() -> QuerySet[Backend]:
    """The stored capacity of a node agrees with its devices and its group."""
    return Backend.objects.filter(pk__in=wrong_node_capacities())


def _recount(node: Backend) -> str:
    stored, true = recount_node_capacity(node.pk)
    return f"kept as {_words(*stored) if stored else 'nothing'}, has {_words(*true)}"


def _words(group: int, idle: int, size: int) -> str:
    return f"{idle.bit_count()} of {size} devices free (mask {idle:x}) for group {group}"


CHECKS = (Check(_capacities_that_differ, _recount),)
