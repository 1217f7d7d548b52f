"""Codes of a second factor: time-based ones of an app (RFC 6238), and recovery codes. Pure: the time is an argument."""

import base64
import hmac
import secrets
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import qrcode
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

ISSUER = "Moreh Cloud"
SECRET_BYTES = 20  # what RFC 4226 recommends, and every app takes
STEP = 30  # seconds
DIGITS = 6
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 random bits: a digest without salt is enough
QUIET = 4  # squares of white around a QR code, which the standard asks for


def new_factor_secret() -> str:
    """Return a new secret in base 32, as apps accept it when it is typed."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, at: datetime) -> str:
    """Return the code that an app shows at this time."""
    return _totp(secret).generate(int(at.timestamp())).decode()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is: the present one, or one beside it for clocks that are wrong."""
    found = None
    for beside in (-1, 0, 1):
        at = now + timedelta(seconds=beside * STEP)
        if hmac.compare_digest(code_at(secret, at).encode(), code.encode()):
            found = int(at.timestamp()) // STEP
    return found


def new_recovery_codes() -> list[str]:
    """Return new recovery codes such as `k3xq-7d2a-mm7w-c5tz`: no digit in them looks like a letter."""
    return [
        _grouped(base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()) for _ in range(RECOVERY_CODES)
    ]


def plain(code: str) -> str:
    """Return a typed code without what people write between its parts."""
    return "".join(code.split()).replace("-", "").lower()


def link_for_app(secret: str, name: str) -> str:
    """Return the address that a QR code tells an app: a secret."""
    label = quote(f"{ISSUER}:{name}")
    wanted = {"secret": secret, "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": STEP}
    return f"otpauth://totp/{label}?{urlencode(wanted, quote_via=quote)}"


def squares(text: str) -> tuple[int, str]:
    """Return the size of a text's QR code with its white edge, and its dark squares as an SVG path."""
    code = qrcode.QRCode(border=QUIET)
    code.add_data(text)
    code.make()
    rows = code.get_matrix()
    dark = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, filled in enumerate(row) if filled]
    return len(rows), "".join(dark)


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP)  # noqa: S303 - what apps speak  # nosec B303


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
