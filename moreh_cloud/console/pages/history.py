"""History: the jobs that have ended, the newest end first."""

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

from moreh_cloud.console.pages.asked import LONGEST, text
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.timeline_asked import local
from moreh_cloud.console.queries import history as reads
from moreh_cloud.console.queries.jobs import customer, groups
from scheduler.choices import OVER, Cause
from scheduler.queries import MAX_ID

TIMES = ("started_from", "started_to", "ended_from", "ended_to")
FURTHER = (*TIMES, "cause", "id", "sda_model", "device_model")  # filters that are folded away while none is set


class _Moment(forms.DateTimeField):
    """A time of the installation's time zone, to the second."""

    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"})


class PastForm(forms.Form):
    """The filters; what makes no sense is said, and nothing is shown instead of something else."""

    q = forms.CharField(label=_("Search"), required=False, max_length=LONGEST)
    status = forms.MultipleChoiceField(label=_("Status"), required=False, choices=[(s.value, s.label) for s in OVER])
    cause = forms.ChoiceField(label=_("Reason"), required=False, choices=[("", _("Any")), *Cause.choices[1:]])
    group = forms.TypedChoiceField(label=_("Backend group"), required=False, coerce=int, empty_value=None)
    token = forms.IntegerField(label=_("Customer"), required=False, min_value=1, max_value=MAX_ID)
    sda_model = forms.IntegerField(label=_("SDA model"), required=False, min_value=1, max_value=MAX_ID)
    device_model = forms.CharField(label=_("Device model"), required=False, max_length=64)
    id = forms.IntegerField(label=_("Job number"), required=False, min_value=1, max_value=MAX_ID)
    started_from = _Moment(label=_("Started from"), required=False)
    started_to = _Moment(label=_("Started until"), required=False)
    ended_from = _Moment(label=_("Ended from"), required=False)
    ended_to = _Moment(label=_("Ended until"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].choices = [("", _("Any")), *groups().items()]  # type: ignore[attr-defined]

    @property
    def past(self) -> reads.Past | None:
        """Give which jobs are meant; None when a filter makes no sense."""
        if not self.is_valid():
            return None
        asked = dict(self.cleaned_data)
        return reads.Past(text=text(asked.pop("q")), statuses=tuple(asked.pop("status")), **asked)

    def query(self, **changes: str) -> str:
        """Give the filters as they stand in an address."""
        data = self.data.copy()  # type: ignore[attr-defined]
        for name, value in changes.items():
            data[name] = value
        return urlencode([(name, value) for name in self.fields for value in data.getlist(name) if value])


@gzip_page
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Show a page of the jobs that are meant; `after` and `before` are job numbers at its edges."""
    form = PastForm(request.GET)
    asked = form.past
    past, since = (None, None) if asked is None else reads.searched(asked)
    after, before = _edge(request.GET.get("after")), _edge(request.GET.get("before"))
    rows = [] if past is None else reads.page(past, after=after, before=before)
    number, exact = (0, True) if past is None else reads.count(past, None if after or before else len(rows))
    rows, edges = _edges(form, rows, after, before)
    context = {
        "form": form,
        "rows": [_with_times(row) for row in rows],
        "number": f"{number:,}" if exact else _now("more than %(number)s") % {"number": f"{number:,}"},
        "customer": customer(form.cleaned_data.get("token")) if past else "",
        "narrowed": past is None or not past.everything,
        "more_open": bool(past and any(getattr(past, name) for name in FURTHER)),
        "since": since,
        "further": _further(form, since) if since else "",
        "most": f"{reads.SEARCHED:,}",
        "first": bool(after or before) and _address(form),
        "query": form.query(),
        **edges,
    }
    if request.headers.get("X-Live-Part") == "history":
        return render(request, "console/history_list.html", context)
    return show(request, "console/history.html", _("History"), **context)


def _edge(given: str | None) -> int | None:
    return int(given) if given and given.isascii() and given.isdigit() and int(given) <= MAX_ID else None


def _edges(
    form: PastForm, rows: list[reads.Row], after: int | None, before: int | None
) -> tuple[list[reads.Row], Mapping[str, str]]:
    """Cut the one row too many, which tells whether there is more beyond."""
    more = len(rows) > reads.PAGE
    shown = rows[-reads.PAGE :] if before is not None else rows[: reads.PAGE]
    newer = more if before is not None else after is not None
    older = before is not None or more
    return shown, {
        "newer": _address(form, before=shown[0]["id"]) if newer and shown else "",
        "older": _address(form, after=shown[-1]["id"]) if older and shown else "",
    }


def _further(form: PastForm, since: datetime) -> str:
    """Give the address of the same search before the time that this one has gone back to."""
    ended_to = local(since + timedelta(seconds=1))  # the field has whole seconds
    return f"{reverse('console:history')}?{form.query(ended_to=ended_to)}"


def _address(form: PastForm, **edge: int) -> str:
    asked = "&".join(part for part in (form.query(), urlencode(edge)) if part)
    return reverse("console:history") + (f"?{asked}" if asked else "")


def _with_times(row: reads.Row) -> reads.Row:
    """Add the durations, and why it ended in words."""
    start, end = row["started_at"], row["ended_at"]
    held = row["submitted_at"] or end
    words = [str(Cause(row["cause"]).label) if row["cause"] else "", row["detail"]]
    row["waited"] = max(0, (held - row["requested_at"]).total_seconds())
    row["ran"] = None if start is None else max(0, (end - start).total_seconds())
    row["why"] = ": ".join(word for word in words if word)
    return row
