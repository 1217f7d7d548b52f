"""Many agents that come back at once: what `greet_agent` and `take_result` do for one, in few statements for all.

Only the common case is handled here: nodes that agree with the records, and orders that were carried out.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db import transaction

from backends.choices import BackendStatus, ShutdownReason
from backends.models import Agent, Backend, Device
from backends.queries import current_sessions
from backends.services.agents import Newcomer, open_sessions, refusal_of
from backends.services.cards import is_exchanged, known_cards, store_cards
from backends.services.orders import acknowledge_orders, settle_cleanings
from core.clock import db_now
from scheduler.choices import WorkerState
from scheduler.models import UnknownWorker, Worker
from scheduler.services.workers import PRESENT, bring_back, take_cleanings

Workers = dict[int, tuple[int, str]]  # job and state by id
ReportedDevices = set[tuple[int, str, int]]  # index, model and memory of devices


@transaction.atomic
def greet_agents(newcomers: Sequence[Newcomer]) -> dict[UUID, dict[int, int]]:
    """Greet agents that agree with the records; return by session the workers that should run, with their jobs.

    The caller greets the others one by one. They include agents whose rows are locked, so that no call waits here.
    """
    nodes = {newcomer.backend.pk: newcomer for newcomer in reversed(newcomers)}  # the first of each
    locked = Agent.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=nodes).order_by("pk")
    agents, now = {agent.pk: agent for agent in locked}, db_now()
    welcome = [nodes[pk] for pk, agent in agents.items() if refusal_of(agent, nodes[pk].hello, now) is None]
    workers, devices, cards = _workers(agents), _devices(agents), known_cards(agents)
    odd = set(UnknownWorker.objects.filter(backend__in=agents).values_list("backend_id", flat=True))
    plain = [
        one
        for one in welcome
        if one.backend.pk not in odd
        and _is_as_known(one, workers[one.backend.pk], devices[one.backend.pk])
        and not any(is_exchanged(cards[place].identity, card) for place, card in one.cards().items())
    ]
    if plain:
        open_sessions(plain, agents, now)
        store_cards({place: card for one in plain for place, card in one.cards().items()}, cards)
        bring_back(plain, Device.objects.filter(backend__in=[newcomer.backend.pk for newcomer in plain]))
    return {
        newcomer.session: {pk: job for pk, (job, _state) in workers[newcomer.backend.pk].items()} for newcomer in plain
    }


def _is_as_known(newcomer: Newcomer, workers: Workers, devices: ReportedDevices) -> bool:
    """Whether an agent has exactly the devices and workers of the records; a worker that starts may be missing."""
    reported = {(device.index, device.model, device.total_memory) for device in newcomer.hello.devices}
    up = {pk for pk, (_job, state) in workers.items() if state == WorkerState.RUNNING}
    return reported == devices and up <= newcomer.running.keys() <= workers.keys()


def _workers(nodes: Collection[int]) -> Mapping[int, Workers]:
    found: defaultdict[int, Workers] = defaultdict(dict)
    rows = Worker.objects.filter(backend__in=nodes, state__in=PRESENT)
    for pk, node, job, state in rows.values_list("pk", "backend_id", "job_id", "state"):
        found[node][pk] = job, state
    return found


def _devices(nodes: Collection[int]) -> Mapping[int, ReportedDevices]:
    found: defaultdict[int, ReportedDevices] = defaultdict(set)
    rows = Device.objects.filter(backend__in=nodes)
    for node, index, model, memory in rows.values_list("backend_id", "index", "model", "total_memory"):
        found[node].add((index, model, memory))
    return found


@transaction.atomic
def record_acknowledgements(orders: Mapping[UUID, tuple[int, UUID]]) -> set[UUID]:
    """Store that agents have received orders; return the orders whose stream is the current one of its node.

    `orders`: node and stream of each.
    """
    acknowledged = _of_speakers(orders)
    acknowledge_orders(acknowledged)
    return set(acknowledged)


@transaction.atomic
def record_cleanings(orders: Mapping[UUID, tuple[int, UUID]]) -> set[UUID]:
    """Settle CLEAN orders that were carried out; return the orders that are settled by this.

    `orders`: node and stream of each. The caller handles the others one by one.
    """
    sessions = [session for _node, session in orders.values()]
    # No other stream can take over these nodes before the transaction ends, as in `agent_session`.
    list(Agent.objects.select_for_update(no_key=True).filter(session__in=sessions).order_by("pk").values_list("pk"))
    done = settle_cleanings(_of_speakers(orders))
    if done:
        take_cleanings(done)
    return {order.pk for order in done}


def changed_health(healthy: Mapping[int, bool]) -> set[int]:
    """Return the nodes of which the status changes by whether they are healthy, in one query."""
    rows = Backend.objects.filter(pk__in=healthy).values_list("pk", "status", "why")
    return {
        pk
        for pk, status, why in rows
        if (
            status == BackendStatus.SHUTDOWN and why == ShutdownReason.UNHEALTHY
            if healthy[pk]
            else status == BackendStatus.ACTIVE
        )
    }


def _of_speakers(orders: Mapping[UUID, tuple[int, UUID]]) -> dict[UUID, int]:
    """Return, by order, the nodes of the orders whose stream is the current one of its node."""
    speaking = current_sessions([node for node, _session in orders.values()])
    return {pk: node for pk, (node, session) in orders.items() if speaking.get(node) == session}
