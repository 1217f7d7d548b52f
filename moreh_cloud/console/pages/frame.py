"""What every page of the console has in common."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from moreh_cloud.lib.errors import Message

View = Callable[..., HttpResponseBase]


def for_operators(view: View) -> View:
    """Let only operators in; others are led to the login page and back."""
    return admin.site.admin_view(view)  # type: ignore[no-any-return, type-var, unused-ignore]


def show(request: HttpRequest, template: str, title: Message, **context: Any) -> TemplateResponse:
    """Draw a template of the console inside the admin's frame."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})
