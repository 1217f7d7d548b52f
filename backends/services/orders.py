"""Orders to agents: given, acknowledged, settled, withdrawn."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from django.db.models import Q

from backends.choices import ONCE, OPEN_ORDERS, ORDER_TRANSITIONS, REPAIRING, OrderState, OrderVerb
from backends.models import Backend, Order
from backends.signals import repair_stirred
from core.bulk import insert_rows
from core.clock import db_now
from core.request_ids import current_request
from core.wakeups import publish_on_commit

COLUMNS = ("id", "backend_id", "verb", "ref", "devices", "state", "error", "created_at", "request")


class NewOrder(NamedTuple):
    """An order to be given; `ref` is the number of the worker that it is about."""

    backend_id: int
    verb: OrderVerb
    ref: int | None = None
    devices: Sequence[int] = ()


def give_orders(orders: Iterable[NewOrder]) -> list[UUID]:
    """Store orders in bulk, wake the streams of their backends on commit, and return the ids of the orders."""
    given = [(uuid4(), *order) for order in orders]
    if given:
        now = db_now()
        rows = ((*order, OrderState.PENDING.value, "", now, current_request()) for order in given)
        insert_rows(Order, COLUMNS, rows)
        publish_on_commit("backend", {backend_id for _id, backend_id, *_rest in given})
    return [pk for pk, *_rest in given]


def acknowledge_orders(ids: Mapping[UUID, int]) -> None:
    """Record that agents have received orders, each given with its node. Safe to repeat."""
    pending = Order.objects.filter(pk__in=ids, state=OrderState.PENDING).order_by("pk")
    rows = pending.select_for_update(no_key=True).values_list("pk", "backend_id")
    own = [pk for pk, node in rows if ids[pk] == node]
    Order.objects.filter(pk__in=own, state__in=ORDER_TRANSITIONS.before(OrderState.ACKED)).update(
        state=OrderState.ACKED
    )


def open_order(backend: Backend, order_id: UUID) -> Order | None:
    """Return an order of the node that is not settled yet; whoever settles it locks the job that it is about first."""
    return Order.objects.select_related("backend").filter(pk=order_id, backend=backend, state__in=OPEN_ORDERS).first()


def settle_order(order: Order, *, ok: bool, error: str = "") -> bool:
    """Settle an order; return False if it is settled already, so that its result counts once."""
    state = OrderState.DONE if ok else OrderState.FAILED
    open_one = Order.objects.filter(pk=order.pk, state__in=ORDER_TRANSITIONS.before(state))
    if not open_one.update(state=state, error=error[:512], settled_at=db_now()):
        return False
    if order.verb in REPAIRING:
        repair_stirred.send(Order, backend_ids=[order.backend_id])
    return True


def settle_once(*, restarted: Collection[int], reinstalled: Collection[int]) -> None:
    """Settle the resets and reboots that agents which say hello must not begin a second time; nodes by id.

    A reboot of a host that has `restarted` is done. An agent that was `reinstalled` has lost its journal: what the
    former one has received may have been carried out.
    """
    if not restarted and not reinstalled:
        return
    rebooted = Q(verb=OrderVerb.REBOOT, backend__in=restarted)
    perhaps = Q(verb__in=ONCE, state=OrderState.ACKED, backend__in=reinstalled)
    found = Order.objects.filter(rebooted | perhaps, state__in=OPEN_ORDERS).select_for_update(no_key=True)
    for order in found.order_by("pk"):
        done = order.verb == OrderVerb.REBOOT and order.backend_id in restarted
        settle_order(order, ok=done, error="" if done else "the agent that received it was replaced by another one")


def settle_cleanings(ids: Mapping[UUID, int]) -> list[Order]:
    """Settle, as DONE, those of these CLEAN orders, each given with its node, that are open; return them."""
    open_ones = Order.objects.filter(pk__in=ids, verb=OrderVerb.CLEAN, state__in=OPEN_ORDERS).order_by("pk")
    found = open_ones.select_related("backend").select_for_update(of=("self",), no_key=True)
    own = [order for order in found if ids[order.pk] == order.backend_id]
    done = Order.objects.filter(pk__in=[order.pk for order in own], state__in=ORDER_TRANSITIONS.before(OrderState.DONE))
    done.update(state=OrderState.DONE, error="", settled_at=db_now())
    return own


def withdraw_orders(refs: Iterable[int], verb: OrderVerb) -> None:
    """Withdraw the orders about these workers that are not settled yet."""
    open_before, chosen = ORDER_TRANSITIONS.before(OrderState.WITHDRAWN), list(refs)
    given = Order.objects.filter(ref__in=chosen, verb=verb, state__in=open_before)
    if len(chosen) > 1:  # by id, as acknowledge_orders locks them
        list(given.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    given.update(state=OrderState.WITHDRAWN, settled_at=db_now())
