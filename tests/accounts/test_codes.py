"""Codes of a second factor, against the vectors of RFC 6238, and what stands beside them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from accounts.login.codes import (
    code_at,
    link_for_app,
    new_factor_secret,
    new_recovery_codes,
    plain,
    squares,
    step_of,
)

SECRET = base64.b32encode(b"12345678901234567890").decode()  # of the RFC's appendix B, whose codes have eight digits
RFC = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
NOW = datetime.fromtimestamp(1111111109, UTC)


@pytest.mark.parametrize(("second", "code"), RFC.items())
def test_codes_are_those_of_the_rfc(second: int, code: str) -> None:
    at = datetime.fromtimestamp(second, UTC)
    assert (code_at(SECRET, at), step_of(SECRET, code, at)) == (code, second // 30)


CLOCKS = {
    "two steps slow": (-60, False),
    "a step slow": (-30, True),
    "right": (0, True),
    "a step fast": (30, True),
    "two fast": (60, False),
}


@pytest.mark.parametrize(("seconds", "good"), CLOCKS.values(), ids=CLOCKS)
def test_a_telephone_s_clock_may_be_one_step_wrong(seconds: int, good: bool) -> None:
    at = NOW + timedelta(seconds=seconds)
    assert step_of(SECRET, code_at(SECRET, at), NOW) == (int(at.timestamp()) // 30 if good else None)


@pytest.mark.parametrize("code", ["", "81804", "0818041", "abcdef"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert step_of(SECRET, code, NOW) is None


def test_secrets_and_recovery_codes_are_random_and_long_enough() -> None:
    assert len(base64.b32decode(new_factor_secret())) == 20
    assert new_factor_secret() != new_factor_secret()
    codes = new_recovery_codes()
    assert len({*codes, *new_recovery_codes()}) == 20
    assert {len(plain(code)) for code in codes} == {16}
    assert plain(f" {codes[0].upper().replace('-', ' ')} ") == plain(codes[0])


def test_an_app_is_told_all_that_it_needs() -> None:
    assert link_for_app("ABC", "kim@x.kr") == (
        "otpauth://totp/Moreh%20Cloud%3Akim%40x.kr?secret=ABC&issuer=Moreh%20Cloud&algorithm=SHA1&digits=6&period=30"
    )


def test_a_qr_code_has_its_white_edge_and_its_corners() -> None:
    size, path = squares("x")
    assert size == 21 + 2 * 4
    assert path.startswith("M4 4h1v1h-1zM5 4")
    assert " 3h1" not in path
