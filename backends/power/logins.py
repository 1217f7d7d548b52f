"""How often a wrong login may be tried before a BMC locks the account. Pure: the caller keeps the times."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from backends.power.driver import LoginLocked

WINDOW = timedelta(minutes=5)
MOST_WRONG = 3


def recent_wrong(wrong_at: Iterable[datetime], now: datetime) -> list[datetime]:
    """Return the times of wrong logins that still count, oldest first: all that need to be kept."""
    return sorted(at for at in wrong_at if at > now - WINDOW)


def require_login_allowed(wrong_at: Iterable[datetime], now: datetime) -> None:
    """Check that one more login may be tried; raises LoginLocked with the seconds to wait."""
    recent = recent_wrong(wrong_at, now)
    if len(recent) >= MOST_WRONG:
        wait = recent[-MOST_WRONG] + WINDOW - now
        raise LoginLocked(f"{len(recent)} wrong logins in 5 minutes: next try in {wait.total_seconds():.0f} s")
