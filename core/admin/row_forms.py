"""Forms of rows: the fields are checked here, and everything else by the service that is called."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from core.admin.shown import SHOWN, Sets, carried, digest, digest_sent, merged, read_shown, text_of
from core.errors import DomainError
from core.stored_text import with_details

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


PLACES = ("id", "command", "parameter")  # details that the page shows already: the row, the action and the field
OVERTAKEN = _("This was changed meanwhile: it is %(value)s now. Save again to overwrite it.")


class RowForm(_ModelForm):
    """A form that checks each field; the service checks what concerns several fields or rows.

    The form of a row carries what it showed. A field that was left as shown has the value of now, and a set is merged.
    A field that both the operator and somebody else changed is refused once, with the value of now.
    """

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the names of the fields that differ from the row; an older row may have blanks that fields strip."""
        return [name for name in super().changed_data if self[name].data != self[name].initial]

    @property
    def shown(self) -> str:
        """Return what the form shows of its row, to be sent with it; "" for a new row."""
        shown = {name: carried(self[name]) for name in self.fields}
        return json.dumps(shown) if shown and self.instance.pk else ""

    @cached_property
    def _before(self) -> dict[str, Any] | None:
        """Return what the form showed that was sent; None where it does not say so."""
        return read_shown(self.data[SHOWN]) if self.is_bound and self.instance.pk and SHOWN in self.data else None

    @cached_property
    def _brought_up_to_date(self) -> dict[str, Any]:
        """Return the fields that do not have the value that was sent: those left as shown, and sets."""
        if self._before is None:
            return {}
        values = {}
        for name, field in self.fields.items():
            sent, present = self._sent(name), field.prepare_value(self[name].initial)
            if isinstance(field, Sets):
                values[name] = merged(self._before.get(name), sent, present)
            elif digest_sent(self[name], sent) == self._before.get(name):
                values[name] = present
        return values

    def _overtaken(self) -> list[str]:
        """Return the fields that the operator and somebody else changed, to different values."""
        if self._before is None:
            return []
        mine = [name for name in self.fields if name not in self._brought_up_to_date]
        now = {name: digest(self[name].initial) for name in mine}
        return [
            name
            for name in mine
            if now[name] not in (self._before.get(name), digest_sent(self[name], self._sent(name)))
        ]

    def _sent(self, name: str) -> Any:
        return self.fields[name].widget.value_from_datadict(self.data, self.files, self.add_prefix(name))

    def _widget_data_value(self, widget: Any, html_name: str) -> Any:
        # Fields are checked, compared and shown again with this value.
        if html_name in self._brought_up_to_date:
            return self._brought_up_to_date[html_name]
        return super()._widget_data_value(widget, html_name)  # type: ignore[misc]

    def validate_unique(self) -> None:
        """Leave it to the service."""

    def _post_clean(self) -> None:
        # The instance of a form is never saved, so its constraints are only judged where the service saves its own.
        self.instance.validate_constraints = lambda **_: None
        super()._post_clean()  # type: ignore[misc]
        for name in self._overtaken():
            self.add_error(name, forms.ValidationError(OVERTAKEN, params={"value": text_of(self[name])}))


def explain(error: DomainError, *, field: str = "") -> str:
    """Return the error of a service with its readable details, except those that the page shows already."""
    known = {*PLACES, field}
    details = {name: value for name, value in error.details.items() if name not in known and value != ""}
    return with_details(str(error), details)


def with_errors(form: Any, refusal: DomainError, names: Mapping[str, str]) -> Any:
    """Return the form class with the errors of the service, each at the field that it is about."""
    problems = _concerned(refusal)

    class Refused(form):
        def clean(self) -> Any:
            data = super().clean()
            for name, value in problems.items():
                field = names.get(name, name) if names.get(name, name) in self.fields else None
                known = explain(refusal, field=name if field else "")
                self.add_error(field, value if isinstance(value, list) else known)
            return data

    return Refused


def _concerned(refusal: DomainError) -> dict[str, object]:
    lists: dict[str, object] = {name: value for name, value in refusal.details.items() if isinstance(value, list)}
    return lists or {str(refusal.details.get("parameter") or next(iter(refusal.details), "")): None}
