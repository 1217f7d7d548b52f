"""Rate limit for wrong access tokens, without a query; callers with a valid token are not limited by it."""

import time
from threading import Lock

from django.conf import settings
from rest_framework.exceptions import Throttled

from core.crypto import digest
from core.throttle import Bucket

MOST = 10_000  # addresses and tokens that a process remembers
KNOWN_FOR = 60.0  # seconds


class Refusals:
    """Wrong access tokens by address: as many as REST requests, then none until there is room again."""

    def __init__(self) -> None:
        self._bucket = Bucket("refused")
        self._lock = Lock()
        self._held_until: dict[str, float] = {}
        self._known_until: dict[str, float] = {}

    def require_space(self, site: str, token: str) -> None:
        """Raises Throttled for an address that presented too many wrong tokens, unless this one was good just now."""
        now = time.monotonic()
        wait = self._held_until.get(site, now) - now
        if wait > 0 and self._known_until.get(digest(token), 0) < now:
            raise Throttled(wait=wait)

    def note_wrong(self, site: str) -> None:
        """Count a wrong token of an address."""
        wait = self._bucket.take(site, rate=settings.MOREH_REST_RATE, burst=settings.MOREH_REST_BURST)
        if wait:
            self._remember(self._held_until, site, wait)

    def note_good(self, token: str) -> None:
        """Remember a token that is good; its digest, as everywhere."""
        self._remember(self._known_until, digest(token), KNOWN_FOR)

    def _remember(self, known: dict[str, float], key: str, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            if len(known) >= MOST:
                for old in [one for one, until in known.items() if until < now] or [next(iter(known))]:
                    del known[old]
            known[key] = now + seconds


refusals = Refusals()
