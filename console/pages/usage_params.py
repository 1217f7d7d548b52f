"""The parameters of the usage page: its range, what a row stands for, and whose usage it shows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.calendar import PRESETS
from console.queries.usage import By
from core.clock import db_now
from core.errors import Message
from core.moments import MomentField
from core.numbers import MAX_ID, whole
from core.times import local_iso
from tokens.models import Token, TokenGroup
from usage.rollups.measure import Tokens

FREE = "free"
USUAL = "7d"
SHAPE = "%Y-%m-%dT%H:%M"
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)


def _minute(label: Message) -> MomentField:
    return MomentField(label=label, shape=SHAPE, step="60", error_messages={"required": _("A time is missing.")})


class RangeForm(forms.Form):
    """The form for a free range. Each error is shown at its field."""

    use_required_attribute = False
    start = _minute(_("From"))
    end = _minute(_("To"))

    def clean_start(self) -> datetime:
        """Return the start. Raises ValidationError if it is in the future or before the year 2000."""
        start: datetime = self.cleaned_data["start"]
        if start >= db_now():
            raise forms.ValidationError(_("This time has not come yet."))
        if start < OLDEST:
            raise forms.ValidationError(_("Nothing was measured before the year 2000."))
        return start

    def clean(self) -> dict[str, Any] | None:
        """Return the data, with an error at `end` if the end is not after the start."""
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end <= start:
            self.add_error("end", _("The end must be after the start."))
        return self.cleaned_data


@dataclass(frozen=True, slots=True)
class UsageParams:
    """The parsed query string. `start` and `end` are None if the form has errors."""

    range: str
    form: RangeForm
    start: datetime | None
    end: datetime | None
    by: By
    token: Token | None
    group: TokenGroup | None

    @property
    def tokens(self) -> Tokens:
        """Return the ids of the tokens whose usage is shown: the token, those of the user group, or None for all."""
        if self.token:
            return [self.token.pk]
        return list(self.group.tokens.order_by("pk").values_list("pk", flat=True)) if self.group else None

    @property
    def history(self) -> str:
        """Return the address of the history with the ended jobs that ran in the range."""
        times = {"ended_from": self.start, "started_to": self.end}
        given: dict[str, Any] = {"token": self.token.pk} if self.token else {}
        given |= {name: local_iso(at) for name, at in times.items() if at}
        return f"{reverse('console:history')}?{urlencode(given)}"

    def query(self, **changes: object) -> str:
        """Return a query string with some parameters changed; None removes a parameter."""
        scope = {"token": self.token and self.token.pk, "group": self.group and self.group.pk}
        given = {**self.times(), "by": self.by, **scope, **changes}
        return "?" + urlencode({name: value for name, value in given.items() if value is not None})

    def times(self) -> dict[str, Any]:
        """Return the range as parameters: the name of a preset, or start and end."""
        if self.range != FREE:
            return {"range": self.range}
        return {"range": FREE, **{name: self.form.data.get(name) for name in ("start", "end")}}


def read_params(request: HttpRequest) -> UsageParams:
    """Parse the query string. Raises Http404 for a token or group that does not exist."""
    given = request.GET
    token = _find(Token, given.get("token"))
    by = By(given["by"]) if given.get("by") in set(By) and not token else By.TOKEN
    name = given.get("range") or (FREE if {"start", "end"} & set(given) else USUAL)
    form, start, end = _free(given) if name not in PRESETS else _preset(name)
    return UsageParams(
        FREE if name not in PRESETS else name, form, start, end, by, token, _find(TokenGroup, given.get("group"))
    )


def _free(given: Any) -> tuple[RangeForm, datetime | None, datetime | None]:
    form = RangeForm(given)
    if not form.is_valid():
        return form, None, None
    start, end = form.cleaned_data["start"], form.cleaned_data["end"]
    return form, start.astimezone(UTC), min(end.astimezone(UTC), db_now())


def _preset(name: str) -> tuple[RangeForm, datetime, datetime]:
    zone = timezone.get_default_timezone()
    start, end = PRESETS[name](db_now(), zone)
    times = {"start": timezone.localtime(start), "end": timezone.localtime(end)}
    return RangeForm(initial=times), start, end


def _find(kind: Any, number: str | None) -> Any:
    """Return a row by its id; deleted rows too. Raises Http404."""
    if not number:
        return None
    return get_object_or_404(kind, pk=whole(number, 1, MAX_ID))
