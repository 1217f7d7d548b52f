"""Files that are sent to the import, and what becomes of their rows."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from bulk import work
from bulk.models import BulkAction
from core.stored_text import render
from tests.admin_world import address


def send(browser: Client, model: Any, data: str | bytes, **more: str) -> Any:
    content = data.encode() if isinstance(data, str) else data
    file = SimpleUploadedFile("a.csv", content)
    return browser.post(address(model, "changelist") + "import/", {"file": file, **more})


def dry_run(browser: Client, model: Any, data: str | bytes) -> BulkAction:
    answer = send(browser, model, data)
    assert answer.status_code == 302, answer.context["problem"]
    bulk = BulkAction.objects.latest("id")
    assert answer.headers["Location"] == address(BulkAction, "change", bulk.pk)
    return bulk


def fates(bulk: BulkAction) -> list[tuple[str, str]]:
    return [(item.state, render(item.message)) for item in bulk.items.order_by("id")]


def carry_out(browser: Client, dry: BulkAction) -> BulkAction:
    browser.post(reverse("admin:bulk_bulkaction_carry_out", args=[dry.pk]))
    bulk = BulkAction.objects.latest("id")
    work.carry_on(bulk.pk)
    bulk.refresh_from_db()
    return bulk
