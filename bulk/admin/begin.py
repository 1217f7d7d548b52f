from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bulk import work
from bulk.choices import TRY_IMPORT
from bulk.errors import SentBefore
from bulk.services import BulkRequest, begin_bulk, record_sent_form, require_not_sent
from core.admin import confirmation
from core.admin.bulk_runner import BulkRunner, ConfirmedRows, set_bulk_runner
from events.admin import actor_of


def begin(request: HttpRequest, confirmed: ConfirmedRows) -> HttpResponse:
    """Hand the rows to the workers, and lead to the page that shows how far they are."""
    order = BulkRequest(confirmed.noun, confirmed.verb, confirmed.rows, confirmed.data, confirmed.payloads)
    operator: Any = request.user
    try:
        bulk = begin_bulk(order, operator=operator, actor=actor_of(request), key=confirmed.key)
    except SentBefore as refusal:
        return _before(request, refusal, request.get_full_path())
    if bulk.verb == TRY_IMPORT and bulk.total <= confirmation.AT_ONCE:
        work.carry_on(bulk.pk)  # what is short is shown at once
    return HttpResponseRedirect(reverse("admin:bulk_bulkaction_change", args=[bulk.pk]))


def sent_before(request: HttpRequest, key: str, back: str, *, note: bool = False) -> HttpResponse | None:
    """Return the answer to a form that was sent before, else None; with `note` the form is recorded."""
    operator: Any = request.user
    try:
        if note:
            record_sent_form(operator, key)
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


set_bulk_runner(BulkRunner(actor_of, sent_before, begin))
