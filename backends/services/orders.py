from collections.abc import Iterable
from uuid import UUID

from backends.choices import OPEN_ORDERS, OrderState, OrderVerb
from backends.models import Backend, Order
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.clock import db_now


def give_orders(orders: Iterable[Order]) -> None:
    """Store orders in bulk and tell the streams of their backends; the caller's transaction."""
    rows = list(orders)
    if not rows:
        return
    now = db_now()
    for order in rows:
        order.created_at = now
    Order.objects.bulk_create(rows, batch_size=1000)
    tell_on_commit("backend", {order.backend_id for order in rows})


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
