"""The page that takes a file: it only looks at it; what would become of each row is shown by the dry run's page."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from core.admin.bulk_runner import ConfirmedRows, bulk_runner
from core.admin.columns import columns_of
from core.admin.importing import Importer
from core.errors import DomainError, FileRefused
from core.stored_text import to_json, with_details
from core.table_files import MOST_BYTES, MOST_LINES, FileRow, read_table
from core.texts import legible

TRY = "try_import"
LONGEST_PROBLEM = 2_000  # characters: a file may have 100,000 columns that nobody knows


def import_page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the upload form, or start the dry run of an uploaded file. A file that is not a table is refused here."""
    if not admin.has_import_permission(request):
        raise PermissionDenied
    problem = ""
    if request.method == "POST":
        try:
            return bulk_runner().begin(request, _look_at(admin, request))
        except DomainError as refusal:
            problem = legible(with_details(str(refusal), refusal.details)[:LONGEST_PROBLEM])
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Import"),
        "opts": admin.model._meta,
        "columns": admin.importer.columns,
        "key": uuid4().hex,
        "problem": problem,
        "most_lines": MOST_LINES,
        "most_megabytes": MOST_BYTES // 1_000_000,
    }
    return TemplateResponse(request, "admin/import.html", context)


def _look_at(admin: Any, request: HttpRequest) -> ConfirmedRows:
    file = request.FILES.get("file")
    if file is None:
        raise FileRefused(_("Choose a file."))
    if (file.size or 0) > MOST_BYTES:
        raise FileRefused(_("The file is larger than 10 MB. Split it."), bytes=file.size)
    importer: Importer = admin.importer
    secret = [column.name for column in importer.columns if column.secret]
    columns, lines = read_table(file.read(), verbatim=secret)
    _require_columns(importer, columns, known=set(columns_of(admin)))
    if not lines:
        raise FileRefused(_("The file has columns, but no rows."))
    rows, payloads = [], []
    seen: dict[tuple[str, ...], int] = {}
    for line in lines:
        key = tuple(str(line.cells.get(name, "") or "").strip() for name in importer.key)
        first = seen.setdefault(key, line.number) if all(key) else line.number
        payloads.append(json.dumps(_payload(importer, line, first)))
        rows.append((line.number, _name(line, importer, key)))
    _note_ignored(request, importer, columns)
    return ConfirmedRows(admin.model._meta.label, TRY, rows, {}, request.POST.get("key", ""), payloads)


def _require_columns(importer: Importer, columns: Sequence[str], known: set[str]) -> None:
    """Refuse what nobody knows by name; columns of our own files that are only for reading are passed over."""
    own = [column.name for column in importer.columns]
    if unknown := [name for name in columns if name not in own and name not in known]:
        raise FileRefused(_("These columns are not known."), columns=unknown, known=own)
    needed = importer.key if importer.key_needed else [column.name for column in importer.columns if column.needed]
    if missing := [name for name in needed if name not in columns]:
        raise FileRefused(_("These columns are needed."), columns=missing)


def _note_ignored(request: HttpRequest, importer: Importer, columns: Sequence[str]) -> None:
    own = {column.name for column in importer.columns}
    if ignored := [name for name in columns if name not in own]:
        text = _("These columns can only be read, and nothing of them is imported: %(columns)s.")
        messages.info(request, text % {"columns": ", ".join(ignored)})


def _payload(importer: Importer, line: FileRow, first: int) -> dict[str, Any]:
    if line.problem:
        return {"problem": to_json(line.problem)["text"]}
    if first != line.number:
        return {"problem": to_json(_("The same row is in the file twice."))["text"], "details": {"line": first}}
    own = {column.name for column in importer.columns}
    return {"cells": {name: cell for name, cell in line.cells.items() if name in own}}


def _name(line: FileRow, importer: Importer, key: tuple[str, ...]) -> str:
    """Return the place of a line and its first value, which is never a secret."""
    shown = [column.name for column in importer.columns if not column.secret and column.name not in importer.key]
    told = " / ".join(filter(None, key)) if importer.key_needed else str(line.cells.get(shown[0], ""))
    return f"{line.number}: {told}"
