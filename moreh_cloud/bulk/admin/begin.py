from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from moreh_cloud.bulk import work
from moreh_cloud.bulk.choices import TRY_IMPORT
from moreh_cloud.bulk.errors import SentBefore
from moreh_cloud.bulk.services import Order, begin_bulk, note_sent, require_not_sent
from moreh_cloud.events.admin import actor_of
from moreh_cloud.lib.admin import asking
from moreh_cloud.lib.admin.carrier import Agreed, Carrier, carry_with


def begin(request: HttpRequest, agreed: Agreed) -> HttpResponse:
    """Hand the rows to the workers, and lead to the page that shows how far they are."""
    order = Order(agreed.noun, agreed.verb, agreed.rows, agreed.data, agreed.payloads)
    operator: Any = request.user
    try:
        bulk = begin_bulk(order, operator=operator, actor=actor_of(request), key=agreed.key)
    except SentBefore as refusal:
        return _before(request, refusal, request.get_full_path())
    if bulk.verb == TRY_IMPORT and bulk.total <= asking.AT_ONCE:
        work.carry_on(bulk.pk)  # what is short is shown at once
    return HttpResponseRedirect(reverse("admin:bulk_bulkaction_change", args=[bulk.pk]))


def sent_before(request: HttpRequest, key: str, back: str, *, note: bool = False) -> HttpResponse | None:
    """Answer a form that was sent before; with `note` remember it for the next time."""
    operator: Any = request.user
    try:
        if note:
            note_sent(operator, key)
        else:
            require_not_sent(operator, key)
    except SentBefore as refusal:
        return _before(request, refusal, back)
    return None


def _before(request: HttpRequest, refusal: SentBefore, back: str) -> HttpResponse:
    if refusal.bulk:
        return HttpResponseRedirect(reverse("admin:bulk_bulkaction_change", args=[refusal.bulk]))
    messages.warning(request, str(refusal))
    return HttpResponseRedirect(back)


carry_with(Carrier(actor_of, sent_before, begin))
