"""The second factor: what is kept, what works once, what it ends, and who takes it away."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.errors import FactorDemanded, FactorOff, FactorOn, OwnFactor, WrongCode
from accounts.login.codes import plain
from accounts.models import AccessToken, Operator, RecoveryCode, SecondFactor
from accounts.services.access import open_access
from accounts.services.two_factor import (
    begin_two_factor,
    disable_two_factor,
    enable_two_factor,
    renew_recovery_codes,
    reset_two_factor,
    use_code,
)
from core.errors import DomainError
from events.actor import Actor
from events.models import Event
from tests import make
from tests.accounts.phone import code_of, switch_on
from tests.admin_world import address, client_of
from tests.api import events

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def stored(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
        return str(cursor.fetchall())


def test_neither_secret_nor_recovery_codes_lie_in_the_clear_anywhere() -> None:
    operator = make.operator()
    codes = switch_on(operator)
    secret = SecondFactor.objects.get().secret
    kept = "".join(stored(table) for table in ("accounts_secondfactor", "accounts_recoverycode", "events_event"))
    assert [text for text in (secret, *codes, *map(plain, codes)) if text in kept] == []
    assert RecoveryCode.objects.count() == len(codes) == 10


def test_nothing_is_demanded_before_the_first_code_is_right() -> None:
    operator = make.operator()
    begin_two_factor(operator)
    with pytest.raises(WrongCode):
        enable_two_factor(operator, "000000", actor=make.ACTOR)
    operator.refresh_from_db()
    assert (operator.two_factor_at, operator.factor_changes, Event.objects.count()) == (None, 0, 0)


def test_beginning_anew_ends_the_picture_that_was_shown_before() -> None:
    operator = make.operator()
    begin_two_factor(operator)
    old = code_of(operator)
    begin_two_factor(operator)
    with pytest.raises(WrongCode):
        enable_two_factor(operator, old, actor=make.ACTOR)


def test_a_code_works_once_and_no_older_one_after_it() -> None:
    operator = make.operator()
    switch_on(operator)
    older, now = code_of(operator, -1), code_of(operator)
    use_code(operator, f"{now[:3]} {now[3:]}", actor=make.ACTOR)
    for code in (now, older):
        with pytest.raises(WrongCode):
            use_code(operator, code, actor=make.ACTOR)


@pytest.mark.django_db(transaction=True)
def test_of_eight_uses_of_a_code_at_once_one_gets_in() -> None:
    operator = make.operator()
    recovery = switch_on(operator)[0]

    def gets_in(code: str) -> bool:
        try:
            use_code(operator, code, actor=make.ACTOR)
        except WrongCode:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        for code in (code_of(operator), recovery):
            assert sum(pool.map(gets_in, [code] * 8)) == 1


def test_a_recovery_code_works_once_and_is_told() -> None:
    operator = make.operator()
    codes = switch_on(operator)
    use_code(operator, codes[3].upper(), actor=make.ACTOR)
    assert events("USE_RECOVERY_CODE") == [(f"operator/{operator.pk}", {"left": 9})]
    with pytest.raises(WrongCode):
        use_code(operator, codes[3], actor=make.ACTOR)


def test_new_recovery_codes_end_the_old_ones() -> None:
    operator = make.operator()
    old = switch_on(operator)
    new = renew_recovery_codes(operator, old[0], actor=make.ACTOR)
    assert not set(old) & set(new)
    with pytest.raises(WrongCode):
        use_code(operator, old[1], actor=make.ACTOR)
    use_code(operator, new[0], actor=make.ACTOR)
    assert events("RENEW_RECOVERY_CODES") == [(f"operator/{operator.pk}", {})]


CHANGES: dict[str, Callable[[Operator], Any]] = {
    "switching it off": lambda one: disable_two_factor(one, code_of(one), actor=make.ACTOR),
    "a reset by somebody else": lambda one: reset_two_factor(one, actor=make.ACTOR),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_ends_sessions_and_access_tokens_for_good(change: Callable[[Operator], Any]) -> None:
    operator = make.operator()
    before, during = Client(), Client()
    before.force_login(operator)
    open_access(operator, actor=make.ACTOR)
    switch_on(operator)
    assert AccessToken.objects.count() == 0
    assert before.get(reverse("admin:index")).status_code == 302
    stale = Client()
    stale.cookies = before.cookies
    during.force_login(operator)
    open_access(operator, actor=make.ACTOR)
    change(operator)
    assert (AccessToken.objects.count(), SecondFactor.objects.count(), RecoveryCode.objects.count()) == (0, 0, 0)
    assert [one.get(reverse("admin:index")).status_code for one in (during, stale)] == [302, 302]
    assert Operator.objects.get(pk=operator.pk).two_factor_at is None


def test_each_change_is_told_by_who_did_it() -> None:
    operator = make.operator()
    switch_on(operator)
    disable_two_factor(operator, code_of(operator), actor=make.ACTOR)
    switch_on(operator)
    reset_two_factor(operator, actor=Actor("lee", "admin", "192.0.2.1"))
    told = Event.objects.order_by("pk").values_list("action", "subject", "actor", "request")
    mine, subject = make.ACTOR.name, f"operator/{operator.pk}"
    assert list(told) == [
        ("ENABLE_TWO_FACTOR", subject, mine, {}),
        ("DISABLE_TWO_FACTOR", subject, mine, {}),
        ("ENABLE_TWO_FACTOR", subject, mine, {}),
        ("RESET_TWO_FACTOR", subject, "lee", {}),
    ]


def test_what_makes_no_sense_is_refused() -> None:
    operator = make.operator(username="kim")
    refusals: list[tuple[type[DomainError], Callable[[], Any]]] = [
        (FactorOff, lambda: enable_two_factor(operator, "1", actor=make.ACTOR)),
        (FactorOff, lambda: disable_two_factor(operator, "1", actor=make.ACTOR)),
        (FactorOff, lambda: renew_recovery_codes(operator, "1", actor=make.ACTOR)),
        (FactorOff, lambda: reset_two_factor(operator, actor=make.ACTOR)),
    ]
    for refusal, act in refusals:
        with pytest.raises(refusal):
            act()
    switch_on(operator)
    with pytest.raises(FactorOn):
        begin_two_factor(operator)
    with pytest.raises(OwnFactor):
        reset_two_factor(operator, actor=Actor("kim", "admin"))


def test_what_is_demanded_is_not_switched_off(settings: Any) -> None:
    settings.MOREH_TWO_FACTOR = "masters"
    operator, other = make.operator(), make.operator(Role.GENERAL)
    for one in (operator, other):
        switch_on(one)
    code = code_of(operator)
    with pytest.raises(FactorDemanded):
        disable_two_factor(operator, code, actor=make.ACTOR)
    use_code(operator, code, actor=make.ACTOR)  # it was not used up
    disable_two_factor(other, code_of(other), actor=make.ACTOR)


def test_a_master_sees_who_has_one_and_takes_it_away_after_being_asked() -> None:
    lee, kim = make.operator(Role.GENERAL, username="lee"), make.operator(Role.GENERAL, username="kim")
    switch_on(lee)
    browser = client_of(Role.MASTER)
    listed = {value: browser.get(f"{address(Operator, 'changelist')}?two_factor={value}") for value in ("on", "off")}
    assert [row.username for row in listed["on"].context["cl"].result_list] == ["lee"]
    assert "lee" not in [row.username for row in listed["off"].context["cl"].result_list]
    page = reverse("admin:accounts_operator_reset_factor", args=[lee.pk])
    asks = browser.get(page)
    assert b"Be sure that it is really they who ask." in asks.content
    assert Operator.objects.get(pk=lee.pk).two_factor_at is not None
    hidden = {field: asks.context[field] for field in ("selection", "key")}
    browser.post(page, {"agreed": "1", **hidden})
    assert Operator.objects.get(pk=lee.pk).two_factor_at is None
    assert Event.objects.get(action="RESET_TWO_FACTOR").subject == f"operator/{lee.pk}"
    assert kim.two_factor_at is None


@pytest.mark.parametrize("role", [Role.GENERAL, Role.READ_ONLY])
def test_nobody_else_takes_one_away(role: Role) -> None:
    lee = make.operator(Role.GENERAL)
    switch_on(lee)
    assert (
        client_of(role)
        .post(reverse("admin:accounts_operator_reset_factor", args=[lee.pk]), {"agreed": "1"})
        .status_code
        == 403
    )
    assert SecondFactor.objects.filter(operator=lee).exists()


def test_the_shell_helps_the_last_master() -> None:
    switch_on(make.operator(username="kim"))
    told = io.StringIO()
    call_command("reset_two_factor", "kim", stdout=told)
    assert (told.getvalue(), SecondFactor.objects.count()) == ("kim: reset\n", 0)
    for name in ("kim", "nobody"):
        with pytest.raises(CommandError):
            call_command("reset_two_factor", name)
