"""Texts that become markup or script where a page does not escape them, and how they are found in a page."""

import re
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from itertools import cycle
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import CharField, Model, TextField
from django.urls import URLResolver, get_resolver

from core.crypto import EncryptedField

# Each fits the shortest text that comes from outside (64 letters) and calls alert with a number of its own.
PAYLOADS = (
    "\"'><img src=x onerror=alert(1)></script><svg onload=alert(2)>",
    '" x-init="alert(3)" x-html="\'a\'" onfocus="alert(4)',
    "' x-init='alert(5)' autofocus onfocus='alert(6)",
    "<script>alert(7)</script><div x-data x-init=alert(8)>",
    "</textarea></title></select><img src=x onerror=alert(9)>",
    "{{7*7}}${alert(10)}';alert(11);'\\\";alert(12);//",
    "javascript:alert(13)",
)
LONG = " ".join(PAYLOADS)
JAVASCRIPT = re.compile(r"\s*(javascript|data|vbscript)\s*:", re.IGNORECASE)
ADDRESSES = {"href", "src", "action", "formaction", "srcdoc", "xlink:href", "poster", "hx-get", "hx-post"}
SCRIPTED = ("on", "x-", "@", ":", "hx-on", "hx-vals")
DATA = {"application/json", "application/ld+json", "text/plain"}


class Live(HTMLParser):
    """Collects what a payload has become on a page besides text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Judge the attributes of an element."""
        given = dict(attrs)
        self._script = tag == "script" and given.get("type", "") not in DATA
        for name, value in attrs:
            text = value or ""
            if "alert(" in name or ("alert(" in text and (name.startswith(SCRIPTED) or _leads(name, text))):
                self.found.append(f"<{tag} {name}={text[:80]!r}>")

    def handle_data(self, data: str) -> None:
        """Judge what stands in a script."""
        if self._script and "alert(" in data:
            self.found.append(f"script {data[:80]!r}")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a script."""
        self._script = self._script and tag != "script"


def _leads(name: str, text: str) -> bool:
    return name in ADDRESSES and bool(JAVASCRIPT.match(text))


def live_in(page: str) -> list[str]:
    """Return the payloads of a page that are more than text."""
    reader = Live()
    reader.feed(page)
    reader.close()
    return reader.found + (["{{7*7}} was computed"] if "49${alert" in page else [])


# What is no text from outside: keys, codes and names of our own, and what other columns are found by.
OURS = re.compile(
    r"digest|_protocol|path|noun|verb|number|currency|time_zone|request_id|^action$|^task$|^kwargs$|^args$|^headers$|code"
    r"|^language$|^password$|^key$|letter|session|_ip$|^ip_address$|^customer_id$|^queue$|exchange|routing_key|username|^name$"
)


def fill(models: Iterator[type[Model]]) -> int:
    """Write payloads into every text column of every row, past the services; return how many were written."""
    payloads, written = cycle(PAYLOADS), 0
    for model in models:
        columns = [column for column in model._meta.concrete_fields if _is_free(column)]
        for pk in model._default_manager.order_by("pk").values_list("pk", flat=True):
            texts = {column.name: _fitting(column, next(payloads)) for column in columns}
            for name, text in texts.items():
                with suppress(IntegrityError), transaction.atomic():
                    written += model._default_manager.filter(pk=pk).update(**{name: text})
    return written


def _is_free(column: Any) -> bool:
    is_text = isinstance(column, CharField | TextField) and not isinstance(column, EncryptedField)
    return is_text and not column.choices and not column.unique and not OURS.search(column.name)


def _fitting(column: Any, payload: str) -> str:
    return (LONG if (column.max_length or 512) >= len(LONG) else payload)[: column.max_length or 512]


def routes(resolver: Any = None, before: str = "/") -> Iterator[str]:
    """Return the route of every address of the installation."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        yield from routes(pattern, route) if isinstance(pattern, URLResolver) else (route,)
