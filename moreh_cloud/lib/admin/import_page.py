"""The page that takes a file: it only looks at it; what would become of each row is shown by the dry run's page."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.admin.carrier import Agreed, carrier
from moreh_cloud.lib.admin.columns import columns_of
from moreh_cloud.lib.admin.importing import Importer
from moreh_cloud.lib.errors import DomainError
from moreh_cloud.lib.said import kept, with_details
from moreh_cloud.lib.table_files import MOST_BYTES, MOST_LINES, FileRefused, Line, read_table

TRY = "try_import"


def import_page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask for a file, and begin its dry run; a file that is no table is refused here, by what is wrong with it."""
    if not admin.has_import_permission(request):
        raise PermissionDenied
    problem = ""
    if request.method == "POST":
        try:
            return carrier().begin(request, _look_at(admin, request))
        except DomainError as refusal:
            problem = with_details(str(refusal), refusal.details)
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


def _look_at(admin: Any, request: HttpRequest) -> Agreed:
    file = request.FILES.get("file")
    if file is None:
        raise FileRefused(_("Choose a file."))
    if (file.size or 0) > MOST_BYTES:
        raise FileRefused(_("The file is larger than 10 MB. Split it."), bytes=file.size)
    columns, lines = read_table(file.read())
    importer: Importer = admin.importer
    _require_columns(importer, columns, known=set(columns_of(admin)))
    if not lines:
        raise FileRefused(_("The file has columns, but no rows."))
    rows, payloads = [], []
    seen: dict[tuple[str, ...], int] = {}
    for line in lines:
        key = tuple(str(line.cells.get(name, "") or "").strip() for name in importer.key)
        first = seen.setdefault(key, line.number) if all(key) else line.number
        payloads.append(json.dumps(_payload(importer, line, first), ensure_ascii=False))
        rows.append((line.number, _name(line, importer, key)))
    return Agreed(admin.model._meta.label, TRY, rows, {}, request.POST.get("key", ""), payloads)


def _require_columns(importer: Importer, columns: Sequence[str], known: set[str]) -> None:
    """Refuse what nobody knows by name; columns of our own files that are only for reading are passed over."""
    own = [column.name for column in importer.columns]
    if unknown := [name for name in columns if name not in own and name not in known]:
        raise FileRefused(_("These columns are not known."), columns=unknown, known=own)
    needed = importer.key if importer.key_needed else [column.name for column in importer.columns if column.needed]
    if missing := [name for name in needed if name not in columns]:
        raise FileRefused(_("These columns are needed."), columns=missing)


def _payload(importer: Importer, line: Line, first: int) -> dict[str, Any]:
    if line.problem:
        return {"problem": kept(line.problem)["text"]}
    if first != line.number:
        return {"problem": kept(_("The same row is in the file twice."))["text"], "details": {"line": first}}
    own = {column.name for column in importer.columns}
    return {"cells": {name: cell for name, cell in line.cells.items() if name in own}}


def _name(line: Line, importer: Importer, key: tuple[str, ...]) -> str:
    """Name a line by its place and the first thing that it says, which is never a secret."""
    shown = [column.name for column in importer.columns if not column.secret and column.name not in importer.key]
    told = " / ".join(filter(None, key)) if importer.key_needed else str(line.cells.get(shown[0], ""))
    return f"{line.number}: {told}"
