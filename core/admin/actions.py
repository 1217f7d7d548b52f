"""Actions that ask first: a page says what happens to how many rows; then a service is called for each row.

A method that is `confirmed` gets (actor, row, data) and no request, because for many rows a worker calls it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanWidget

from core.admin.confirmation import ConfirmedAction, confirm
from core.admin.lookups import with_key
from core.errors import Message

Verb = Callable[[Any, Any, Any, dict[str, Any]], object]


class ConfirmForm(forms.Form):
    """Form of an action's parameters. It is stored with a bulk action, so it has no secret fields."""

    wire_names: ClassVar[Mapping[str, str]] = {}
    """Which field a parameter of a DomainError is about, where the names differ."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(field.label)  # as Django does it for the fields of rows


def force_field(label: Any, help_text: Any) -> forms.BooleanField:
    """Make the box that must be ticked for what would otherwise be refused."""
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanWidget, help_text=help_text)


class ForceForm(ConfirmForm):
    """Form of an action that can also be forced."""

    force = force_field(
        gettext_lazy("Even if it ends jobs"),
        gettext_lazy("Jobs that are in the way are lost. Without it, rows with jobs are refused or drain."),
    )


def confirmed(
    title: Message,
    *,
    explanation: Message,
    form: type[ConfirmForm] = ConfirmForm,
    permission: str = "operate",
    icon: str = "",
    dangerous: bool = False,
    unless: tuple[Q, Message] | None = None,
    together: bool = False,
    about: Callable[[QuerySet[Any]], Any] | None = None,
) -> Callable[[Verb], Any]:
    """Return an admin action, for lists and pages, of a method that acts on one row; `explanation`: what will happen.

    `unless` are rows with which it cannot be done, and why: nobody is asked about those alone.
    `together`: the method gets all rows at once, as a list, and no worker does it. `about`: returns a table about the
    rows for the page that asks.
    The method may give a sentence (`Said`) about the row, or False (or `LeftOut`) when nothing changed; or a Secret,
    which is shown instead of the list: then it is for single rows only, and not among the `actions` of the list.
    """

    def decorate(verb: Verb) -> Any:
        step = ConfirmedAction(
            verb.__name__, title, explanation, form, permission, dangerous, verb, unless, together, about
        )

        @wraps(verb)
        def run(
            self: Any, request: HttpRequest, queryset: QuerySet[Any] | None = None, object_id: str | None = None
        ) -> HttpResponse:
            rows = with_key(self.get_queryset(request), object_id) if queryset is None else queryset
            return confirm(self, request, step, rows, page=queryset is None)

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


def page_action(name: str, title: Message, page: str, *, icon: str, primary: bool = False) -> Any:
    """Return an action of a list, called `name` in `actions_list`, that leads to another page for who may operate."""

    def go(_self: Any, _request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse(page))

    variant = ActionVariant.PRIMARY if primary else ActionVariant.DEFAULT
    looks: dict[str, Any] = {"short_description": title, "allowed_permissions": ["operate"], "icon": icon, "attrs": {}}
    go.__dict__.update(looks, variant=variant, original_function_name=name)
    return go


def without(actions: Iterable[Any], names: Collection[str]) -> list[Any]:
    """Return the actions of a page without those that its row does not allow."""
    return [action for action in actions if getattr(action.method, "original_function_name", "") not in names]


def fields_of(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Pick the named fields that are there."""
    return {name: data[name] for name in names if name in data}
