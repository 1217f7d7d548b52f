"""The limit of wrong logins, which keeps a BMC from locking its account. Pure: the caller stores the times."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from backends.power.errors import LoginLocked

WINDOW = timedelta(minutes=5)
MOST_WRONG = 3


def recent_wrong(wrong_at: Iterable[datetime], now: datetime) -> list[datetime]:
    """Return the times of wrong logins that still count, oldest first; the others need not be stored."""
    return sorted(at for at in wrong_at if at > now - WINDOW)


def require_login_allowed(wrong_at: Iterable[datetime], now: datetime) -> None:
    """Raise LoginLocked, with the seconds to wait, unless one more login may be tried."""
    recent = recent_wrong(wrong_at, now)
    if len(recent) >= MOST_WRONG:
        wait = recent[-MOST_WRONG] + WINDOW - now
        raise LoginLocked(f"{len(recent)} wrong logins in 5 minutes: next try in {wait.total_seconds():.0f} s")
