"""What the address of the usage page asks for: a range, by what its rows stand, and whose they are."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from moreh_cloud.console.calendar import PRESETS
from moreh_cloud.console.queries.usage import By
from moreh_cloud.lib.clock import db_now
from tokens.models import Token, TokenGroup
from usage.rollups.measure import Tokens

FREE = "free"
USUAL = "7d"
SHAPE = "%Y-%m-%dT%H:%M"
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)


class Moment(forms.DateTimeField):
    """A time of the installation's time zone, to the minute."""

    def __init__(self, **given: Any) -> None:
        errors = {"required": _("A time is missing."), "invalid": _("Write it as YYYY-MM-DD HH:MM.")}
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=SHAPE)
        super().__init__(input_formats=[SHAPE, "%Y-%m-%d %H:%M"], widget=widget, error_messages=errors, **given)


class RangeForm(forms.Form):
    """A free range; what is wrong with it is said at its field."""

    use_required_attribute = False
    start = Moment(label=_("From"))
    end = Moment(label=_("To"))

    def clean_start(self) -> datetime:
        """Refuse a start of which nothing can be known."""
        start: datetime = self.cleaned_data["start"]
        if start >= db_now():
            raise forms.ValidationError(_("This time has not come yet."))
        if start < OLDEST:
            raise forms.ValidationError(_("Nothing was measured before the year 2000."))
        return start

    def clean(self) -> dict[str, Any] | None:
        """Refuse an end that is not after the start."""
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end <= start:
            self.add_error("end", _("The end must be after the start."))
        return self.cleaned_data


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; start and end are None when the form says what is wrong with them."""

    named: str
    form: RangeForm
    start: datetime | None
    end: datetime | None
    by: By
    token: Token | None
    group: TokenGroup | None

    @property
    def tokens(self) -> Tokens:
        """Give whose usage is asked for: the token's, those of the user group, or everybody's."""
        if self.token:
            return [self.token.pk]
        return list(self.group.tokens.order_by("pk").values_list("pk", flat=True)) if self.group else None

    @property
    def history(self) -> str:
        """Write the address of the jobs that ran in the range."""
        times = {"ended_from": self.start, "started_to": self.end}
        asked: dict[str, Any] = {"token": self.token.pk} if self.token else {}
        asked |= {name: f"{timezone.localtime(at):%Y-%m-%dT%H:%M:%S}" for name, at in times.items() if at}
        return f"{reverse('console:history')}?{urlencode(asked)}"

    def query(self, **changes: object) -> str:
        """Write an address' query for the same wish with some changes; None leaves a part out."""
        whose = {"token": self.token and self.token.pk, "group": self.group and self.group.pk}
        asked = {**self.times(), "by": self.by, **whose, **changes}
        return "?" + urlencode({name: value for name, value in asked.items() if value is not None})

    def times(self) -> dict[str, Any]:
        """Give the range as the address names it."""
        if self.named != FREE:
            return {"range": self.named}
        return {"range": FREE, "start": self.form["start"].value(), "end": self.form["end"].value()}


def read_wish(request: HttpRequest) -> Wish:
    """Read a wish from the address; a token or group that never was is a page that is not there."""
    asked = request.GET
    token = _find(Token, asked.get("token"))
    by = By(asked["by"]) if asked.get("by") in set(By) and not token else By.TOKEN
    named = asked.get("range") or (FREE if {"start", "end"} & set(asked) else USUAL)
    form, start, end = _free(asked) if named not in PRESETS else _preset(named)
    return Wish(
        FREE if named not in PRESETS else named, form, start, end, by, token, _find(TokenGroup, asked.get("group"))
    )


def _free(asked: Any) -> tuple[RangeForm, datetime | None, datetime | None]:
    form = RangeForm(asked)
    if not form.is_valid():
        return form, None, None
    start, end = form.cleaned_data["start"], form.cleaned_data["end"]
    return form, start.astimezone(UTC), min(end.astimezone(UTC), db_now())


def _preset(named: str) -> tuple[RangeForm, datetime, datetime]:
    zone = timezone.get_default_timezone()
    start, end = PRESETS[named](db_now(), zone)
    shown = {"start": timezone.localtime(start), "end": timezone.localtime(end)}
    return RangeForm(initial=shown), start, end


def _find(kind: Any, number: str | None) -> Any:
    """Give a row, deleted ones too."""
    if not number:
        return None
    if not number.isdecimal() or len(number) > 18:
        raise Http404
    return get_object_or_404(kind, pk=number)
