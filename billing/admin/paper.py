"""A statement to be printed, in the language of the page or another one, and as a file."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from billing.choices import StatementKind
from billing.files import KINDS
from billing.files.tables import hours
from billing.models import Statement, StatementLine
from billing.pricing import money
from core.signs import NOTHING


def file(admin: Any, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Return a statement as a file."""
    statement = _found(admin, request, pk)
    media, write = KINDS[kind]
    named = statement.number or f"{statement.month:%Y%m}-{statement.token_id}-draft"
    headers = {"Content-Disposition": f'attachment; filename="statement-{named}.{kind}"'}
    return HttpResponse(write(statement), content_type=media, headers=headers)


def page(admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Return a statement as a page of A4; `language` is that of the customer whom it is printed for."""
    statement = _found(admin, request, pk)
    language = request.GET.get("language", "")
    with translation.override(language if language in dict(settings.LANGUAGES) else translation.get_language()):
        return TemplateResponse(request, "billing/statement.html", _context(statement)).render()


def _found(admin: Any, request: HttpRequest, pk: int) -> Statement:
    statement: Statement = get_object_or_404(Statement.objects.select_related("corrects"), pk=pk)
    if not admin.has_view_permission(request, statement):
        raise PermissionDenied
    return statement


def _context(statement: Statement) -> dict[str, Any]:
    return {
        "statement": statement,
        "title": _("Correction") if statement.kind == StatementKind.CORRECTION else _("Statement"),
        "facts": list(_facts(statement)),
        "lines": [_line(line, statement) for line in statement.lines.all()],
        "hours": f"{hours(statement.device_ms):,}",
        "total": f"{Decimal(statement.amount):,}",
        "corrections": [
            {"number": one.number, "total": f"{Decimal(one.amount):,}"}
            for one in statement.corrections.order_by("sequence")
        ],
        "languages": settings.LANGUAGES,
        "back": reverse("admin:billing_statement_change", args=[statement.pk]),
    }


def _facts(statement: Statement) -> Iterator[tuple[str, object]]:
    yield _("number"), statement.number or NOTHING
    yield _("month"), f"{statement.month:%Y-%m} ({statement.time_zone})"
    yield _("customer"), statement.customer
    yield _("token"), f"#{statement.token_id}"
    if statement.corrects:
        yield _("corrects"), statement.corrects.number
    yield _("issued"), f"{timezone.localdate(statement.issued_at):%Y-%m-%d}" if statement.issued_at else NOTHING
    yield _("currency"), statement.currency


def _line(line: StatementLine, statement: Statement) -> dict[str, object]:
    return {
        "model": line.sda_model_name,
        "device_model": line.device_model or NOTHING,
        "preparing": f"{hours(line.preparing_ms):,}",
        "processing": f"{hours(line.processing_ms):,}",
        "reserved": f"{hours(line.reserved_ms):,}",
        "hours": f"{hours(line.device_ms):,}",
        "price": _("no price") if line.unit_price is None else f"{line.unit_price.normalize():,f}",
        "amount": f"{Decimal(money(line.amount, statement.digits)):,}",
    }
