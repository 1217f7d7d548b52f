"""The base of every page of the console: access and the admin's context."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from core.errors import Message

View = Callable[..., HttpResponseBase]


def for_operators(view: View) -> View:
    """Return a view that only operators reach; others are redirected to the login page, and back after it."""
    return admin.site.admin_view(view)  # type: ignore[no-any-return, type-var, unused-ignore]


def render_page(request: HttpRequest, template: str, title: Message, **context: Any) -> TemplateResponse:
    """Return a template of the console with the context of the admin's base page."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})
