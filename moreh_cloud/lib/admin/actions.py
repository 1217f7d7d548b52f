"""Actions that ask first: a page says what will happen to how many; then a service is called for each row.

A method that is `confirmed` gets (actor, row, data) and no request, because for many rows a worker calls it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanWidget

from moreh_cloud.lib.admin.asking import Step, answer
from moreh_cloud.lib.errors import Message

Verb = Callable[[Any, Any, Any, dict[str, Any]], object]


class ConfirmForm(forms.Form):
    """What an action wants to know besides its rows. It is kept with a bulk action, so it asks for no secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(field.label)  # as Django does it for the fields of rows


def force_field(label: Any, help_text: Any) -> forms.BooleanField:
    """Make the box that must be ticked for what would otherwise be refused."""
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanWidget, help_text=help_text)


class ForceForm(ConfirmForm):
    force = force_field(
        gettext_lazy("Even if it ends jobs"),
        gettext_lazy("Jobs that are in the way are lost. Without it, rows with jobs are refused or drain."),
    )


def confirmed(
    title: Message,
    *,
    says: Message,
    form: type[ConfirmForm] = ConfirmForm,
    permission: str = "operate",
    icon: str = "",
    dangerous: bool = False,
) -> Callable[[Verb], Any]:
    """Make an admin action, for lists and pages, of a method that does it to one row; `says` tells what will happen.

    The method may give a sentence (`Said`) about the row; or a Secret, which is shown instead of the list: then it is
    for single rows only, and must not be among the `actions` of the list.
    """

    def decorate(verb: Verb) -> Any:
        step = Step(verb.__name__, title, says, form, permission, dangerous, verb)

        @wraps(verb)
        def run(
            self: Any, request: HttpRequest, queryset: QuerySet[Any] | None = None, object_id: str | None = None
        ) -> HttpResponse:
            rows = self.get_queryset(request).filter(pk=object_id) if queryset is None else queryset
            return answer(self, request, step, rows, page=queryset is None)

        looks: dict[str, Any] = {
            "short_description": title,
            "allowed_permissions": [permission],
            "icon": icon,
            "variant": ActionVariant.DEFAULT,  # the page that asks is where danger is shown
            "attrs": {},
            "original_function_name": verb.__name__,
            "step": step,  # where a worker finds it
        }
        run.__dict__.update(looks)
        return run

    return decorate


def without(actions: Iterable[Any], names: Collection[str]) -> list[Any]:
    """Leave out the actions of a page that its row cannot take."""
    return [action for action in actions if getattr(action.method, "original_function_name", "") not in names]


def fields_of(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Pick the named fields that are there."""
    return {name: data[name] for name in names if name in data}
