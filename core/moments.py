"""Form fields for times."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from core.times import local_iso, names_one_moment, read_time

SECONDS = "%Y-%m-%dT%H:%M:%S"
LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")


def field_time(at: datetime, shape: str = SECONDS) -> str:
    """Return a moment as a field takes it: local, with an offset only where clocks repeat the hour."""
    local = timezone.localtime(at)
    return f"{local:{shape}}" if names_one_moment(local) else local_iso(at)


def input_type(text: str) -> str:
    """Return the type of an input with this text: one for local times takes no offset and nothing that is no time."""
    try:
        local = not text or (LOCAL.fullmatch(text) and read_time(text))
    except ValidationError:
        local = None
    return "datetime-local" if local else "text"


class MomentInput(forms.DateTimeInput):
    """An input for a local time, or for a text where a local time does not do."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Return the context with the type that the value needs."""
        context = super().get_context(name, value, attrs)
        context["widget"]["type"] = input_type(context["widget"]["value"] or "")
        return context


class MomentField(forms.DateTimeField):
    """A form field for a time: local, or with an offset as links of the console write it."""

    def __init__(self, *, shape: str = SECONDS, step: str = "1", classes: str = "", **given: Any) -> None:
        widget = MomentInput(format=shape, attrs={"step": step, **({"class": classes} if classes else {})})
        super().__init__(widget=widget, **given)

    def to_python(self, value: Any) -> Any:
        """Return the time, parsed as every interface parses times. Raises ValidationError."""
        return None if value in self.empty_values else read_time(str(value))

    def prepare_value(self, value: Any) -> Any:
        """Return a moment as the text of the field."""
        return field_time(value, self.widget.format) if isinstance(value, datetime) else value

    def bound_data(self, data: Any, initial: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Return a time with an offset as local time, because most fields accept no offset."""
        try:
            return field_time(read_time(str(data)), self.widget.format)
        except ValidationError:
            return data
