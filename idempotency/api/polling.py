"""ETag and If-None-Match: who asks again is told that nothing changed, without anything being read but stamps.

A tag names the tables that an answer was made of, and digests their stamps of before it was made: what changes
meanwhile gives the next answer another tag, so a 304 is never stale. Answers that are made of other tables too are
digested themselves.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import get_language
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.parameters import merged
from core.version import VERSION
from idempotency.watching import read_stamps

WORD = re.compile(r"\w+")
SECRETS = "tokens_token"  # the table of token values and of environments
OURS = re.compile(r'W/"([0-9a-f]{1,8})\.[0-9a-f]{32}"')


def unless_known(
    handler: Callable[..., HttpResponseBase], asker: str, *, only_rows: bool = True
) -> Callable[..., HttpResponseBase]:
    """Answer a GET with 304 when the caller has the response; `asker` is what it depends on besides its parameters.

    `only_rows`: the answer is made of rows alone, so stamps of tables tell whether it has changed.
    """

    def answer(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        stamps = read_stamps()
        given = parse_etags(request.headers.get("If-None-Match", ""))
        question = repr((VERSION, request.path, sorted(merged(request).items()), asker, get_language()))
        if tag := _still_true(given, question, stamps):
            return _tagged(HttpResponseNotModified(), tag, secret=SECRETS in _named_in(tag))
        with _tables_read() as tables:
            response = handler(request, *args, **kwargs)
        if response.streaming:
            return response
        if only_rows and tables <= set(settings.MOREH_WATCHED_TABLES):
            return _tagged(response, _tag(tables, question, stamps), secret=SECRETS in tables)
        return _digested(response, given, secret=SECRETS in tables)

    return answer


def _still_true(given: list[str], question: str, stamps: Mapping[str, str]) -> str:
    for tag in given:
        if (ours := OURS.fullmatch(tag)) and tag == _tag(_named(int(ours[1], 16)), question, stamps):
            return tag
    return ""


def _tag(tables: set[str], question: str, stamps: Mapping[str, str]) -> str:
    names = settings.MOREH_WATCHED_TABLES
    bits = sum(1 << place for place, name in enumerate(names) if name in tables)
    seen = [(name, stamps.get(name, "")) for name in names if name in tables]
    return f'W/"{bits:x}.{_digest(repr((question, seen)).encode())}"'


def _named(bits: int) -> set[str]:
    return {name for place, name in enumerate(settings.MOREH_WATCHED_TABLES) if bits >> place & 1}


def _named_in(tag: str) -> set[str]:
    ours = OURS.fullmatch(tag)
    return _named(int(ours[1], 16)) if ours else set()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@contextmanager
def _tables_read() -> Iterator[set[str]]:
    """Collect the names of our tables that stand in the queries made meanwhile."""
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    found: set[str] = set()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found.update(known.intersection(WORD.findall(sql)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


def _digested(response: HttpResponseBase, given: list[str], *, secret: bool) -> HttpResponseBase:
    def compare(rendered: Any) -> Any:
        tag = f'W/"{_digest(rendered.content)}"'
        return _tagged(HttpResponseNotModified() if tag in given else rendered, tag, secret=secret)

    if isinstance(response, Response):
        response.add_post_render_callback(compare)
        return response
    return compare(response)  # type: ignore[no-any-return]


def _tagged(response: HttpResponseBase, tag: str, *, secret: bool) -> HttpResponseBase:
    """Who polls keeps the tag; only answers without token values may be kept by a browser."""
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-store" if secret else "private, no-cache"
    patch_vary_headers(response, ("Accept", "Accept-Language", "Authorization", "Cookie"))
    return response
