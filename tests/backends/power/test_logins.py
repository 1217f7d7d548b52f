from datetime import UTC, datetime, timedelta

import pytest

from backends.power.errors import LoginLocked
from backends.power.logins import recent_wrong, require_login_allowed

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def ago(*seconds: int) -> list[datetime]:
    return [NOON - timedelta(seconds=s) for s in seconds]


ALLOWED = {"never wrong": [], "wrong twice": ago(1, 2), "wrong three times, once long ago": ago(1, 2, 300)}
LOCKED = {"wrong three times": (ago(10, 20, 299), "1 s"), "wrong four times": (ago(1, 10, 20, 30), "280 s")}


@pytest.mark.parametrize("case", ALLOWED)
def test_may_try(case: str) -> None:
    require_login_allowed(ALLOWED[case], NOON)


@pytest.mark.parametrize("case", LOCKED)
def test_may_not_try(case: str) -> None:
    wrong, wait = LOCKED[case]
    with pytest.raises(LoginLocked, match=f"next try in {wait}$"):
        require_login_allowed(wrong, NOON)


def test_old_wrong_logins_do_not_count() -> None:
    assert recent_wrong(ago(5, 900, 299, 300), NOON) == ago(299, 5)
