from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from backends.choices import OPEN_ORDERS, OrderState, OrderVerb
from backends.models import Backend, Order
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.bulk import insert_rows
from moreh_cloud.lib.clock import db_now

COLUMNS = ("id", "backend_id", "verb", "ref", "devices", "state", "error", "created_at")


class NewOrder(NamedTuple):
    """An order to be given; `ref` is the number of the thing it is about."""

    backend_id: int
    verb: OrderVerb
    ref: int | None = None
    devices: Sequence[int] = ()


def give_orders(orders: Iterable[NewOrder]) -> list[UUID]:
    """Store orders in bulk, tell the streams of their backends, and give the orders' ids; the caller's transaction."""
    given = [(uuid4(), *order) for order in orders]
    if given:
        now = db_now()
        rows = ((*order, OrderState.PENDING.value, "", now) for order in given)
        insert_rows(Order, COLUMNS, rows)
        tell_on_commit("backend", {backend_id for _id, backend_id, *_rest in given})
    return [pk for pk, *_rest in given]


def acknowledge_order(backend: Backend, order_id: UUID) -> None:
    """Note that the agent has an order; saying so twice is once."""
    pending = Order.objects.filter(pk=order_id, backend=backend, state=OrderState.PENDING)
    pending.update(state=OrderState.ACKED)


def settle_order(backend: Backend, order_id: UUID, *, ok: bool, error: str = "") -> Order | None:
    """Close an order; give it to the one who may act on its result, None to everybody later."""
    state = OrderState.DONE if ok else OrderState.FAILED
    open_one = Order.objects.filter(pk=order_id, backend=backend, state__in=OPEN_ORDERS)
    if not open_one.update(state=state, error=error[:512], settled_at=db_now()):
        return None
    return Order.objects.select_related("backend").get(pk=order_id)


def withdraw_orders(refs: Iterable[int], verb: OrderVerb) -> None:
    """Take back orders about these things that nobody has settled yet."""
    given = Order.objects.filter(ref__in=list(refs), verb=verb, state__in=OPEN_ORDERS)
    given.update(state=OrderState.WITHDRAWN, settled_at=db_now())
