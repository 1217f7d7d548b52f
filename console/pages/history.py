"""The history page: the jobs that have ended, the newest end first."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from console.pages.base_page import render_page
from console.pages.params import LONGEST, search_text
from console.queries import history as reads
from console.queries.jobs import customer, every_group
from core.moments import MomentField
from core.numbers import MAX_ID, whole
from core.times import local_iso
from scheduler.choices import OVER, Cause

TIMES = ("started_from", "started_to", "ended_from", "ended_to")
RANGES = (("started_from", "started_to"), ("ended_from", "ended_to"), ("started_from", "ended_to"))
MORE_FILTERS = (*TIMES, "cause", "id", "sda_model", "device_model")  # filters that are hidden while none of them is set


class HistoryForm(forms.Form):
    """The filters of the page. With an error in one of them, no jobs are listed."""

    q = forms.CharField(label=_("Search"), required=False, max_length=LONGEST)
    status = forms.MultipleChoiceField(label=_("Status"), required=False, choices=[(s.value, s.label) for s in OVER])
    cause = forms.ChoiceField(label=_("Reason"), required=False, choices=[("", _("Any")), *Cause.choices[1:]])
    group = forms.TypedChoiceField(label=_("Backend group"), required=False, coerce=int, empty_value=None)
    token = forms.IntegerField(label=_("Customer"), required=False, min_value=1, max_value=MAX_ID)
    sda_model = forms.IntegerField(label=_("SDA model"), required=False, min_value=1, max_value=MAX_ID)
    device_model = forms.CharField(label=_("Device model"), required=False, max_length=64)
    id = forms.IntegerField(label=_("Job number"), required=False, min_value=1, max_value=MAX_ID)
    started_from = MomentField(label=_("Started from"), required=False)
    started_to = MomentField(label=_("Started until"), required=False)
    ended_from = MomentField(label=_("Ended from"), required=False)
    ended_to = MomentField(label=_("Ended until"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].choices = [("", _("Any")), *every_group().items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Return the data, with an error at an end that is before its start."""
        for first, last in RANGES:
            start, end = self.cleaned_data.get(first), self.cleaned_data.get(last)
            if start and end and end < start and last not in self.errors:
                self.add_error(last, _("The end must be after the start."))
        return self.cleaned_data

    @property
    def wanted(self) -> reads.EndedFilter | None:
        """Return the filters for the query; None if one has an error."""
        if not self.is_valid():
            return None
        data = dict(self.cleaned_data)
        return reads.EndedFilter(text=search_text(data.pop("q")), statuses=tuple(data.pop("status")), **data)

    def query(self, **changes: str) -> str:
        """Return the filters as a query string, with some changes."""
        data = self.data.copy()  # type: ignore[attr-defined]
        for name, value in changes.items():
            data[name] = value
        return urlencode([(name, value) for name in self.fields for value in data.getlist(name) if value])


@gzip_page
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Return a page of ended jobs. `after` or `before` is the number of the job next to the page."""
    form = HistoryForm(request.GET)
    given = form.wanted
    wanted, since = (None, None) if given is None else reads.bound_search(given)
    after, before = (whole(request.GET.get(name), 1, MAX_ID) for name in ("after", "before"))
    rows = [] if wanted is None else reads.page(wanted, after=after, before=before)
    number, exact = (0, True) if wanted is None else reads.count(wanted, None if after or before else len(rows))
    rows, neighbours = _cut_page(form, rows, after, before)
    context = {
        "form": form,
        "rows": [_with_texts(row) for row in rows],
        "number": f"{number:,}" if exact else _now("more than %(number)s") % {"number": f"{number:,}"},
        "customer": customer(form.cleaned_data.get("token")) if wanted else "",
        "refused": wanted is None,
        "narrowed": wanted is None or not wanted.everything,
        "more_open": bool(wanted and any(getattr(wanted, name) for name in MORE_FILTERS)),
        "since": since,
        "further": _older_address(form, since) if since else "",
        "most": f"{reads.MOST_SEARCHED:,}",
        "first": bool(after or before) and _address(form),
        "query": form.query(),
        **neighbours,
    }
    if request.headers.get("X-Live-Part") == "history":
        return render(request, "console/history_list.html", context)
    return render_page(request, "console/history.html", _("History"), **context)


def _cut_page(
    form: HistoryForm, rows: list[reads.Row], after: int | None, before: int | None
) -> tuple[list[reads.Row], Mapping[str, str]]:
    """Return the rows without the one too many, which only shows that there is more, and the neighbouring pages."""
    more = len(rows) > reads.PAGE
    rows_of_page = rows[-reads.PAGE :] if before is not None else rows[: reads.PAGE]
    newer = more if before is not None else after is not None
    older = before is not None or more
    return rows_of_page, {
        "newer": _address(form, before=rows_of_page[0]["id"]) if newer and rows_of_page else "",
        "older": _address(form, after=rows_of_page[-1]["id"]) if older and rows_of_page else "",
    }


def _older_address(form: HistoryForm, since: datetime) -> str:
    """Return the address of the same search in the jobs that ended earlier."""
    ended_to = local_iso(since + timedelta(seconds=1))  # the field has whole seconds
    return f"{reverse('console:history')}?{form.query(ended_to=ended_to)}"


def _address(form: HistoryForm, **position: int) -> str:
    query = "&".join(part for part in (form.query(), urlencode(position)) if part)
    return reverse("console:history") + (f"?{query}" if query else "")


def _with_texts(row: reads.Row) -> reads.Row:
    """Add the durations to a row, and why the job ended as text."""
    start, end = row["started_at"], row["ended_at"]
    held = row["submitted_at"] or end
    words = [str(Cause(row["cause"]).label) if row["cause"] else "", row["detail"]]
    row["waited"] = max(0, (held - row["requested_at"]).total_seconds())
    row["ran"] = None if start is None else max(0, (end - start).total_seconds())
    row["reason"] = ": ".join(word for word in words if word)
    return row
