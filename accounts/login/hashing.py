"""Passwords are hashed few at a time: each takes a core for half a second, which everybody else needs too."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.errors import TooManyLogins

AT_ONCE = max(1, (os.cpu_count() or 2) // 2)  # in one process
_working = BoundedSemaphore(AT_ONCE)


class BoundedHasher(PBKDF2PasswordHasher):
    """Django's PBKDF2, AT_ONCE at a time; the others wait."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash of a password."""
        with _working:
            return super().encode(password, salt, iterations)


class LoginQueue:
    """The log-ins of a process that wait for their password to be checked: few, and half of them from one address."""

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one = most, max(1, most // 2)
        self._lock = Lock()
        self._waiting: Counter[str] = Counter()

    def require_space(self, site: str) -> None:
        """Raise TooManyLogins when no further log-in from this address can wait."""
        if self._waiting.total() >= self._most or self._waiting[site] >= self._most_of_one:
            raise TooManyLogins

    @contextmanager
    def place(self, site: str) -> Iterator[None]:
        """Wait in the queue while the block runs. Raises TooManyLogins."""
        with self._lock:
            self.require_space(site)
            self._waiting[site] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[site] -= 1
                self._waiting += Counter()  # forgets whoever has left


login_queue = LoginQueue(max(1, settings.MOREH_WEB_THREADS // 2))  # the other half of the turns serves who is logged in
