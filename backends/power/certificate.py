"""What proves that a BMC is the right one over TLS: the fingerprint of its certificate, or the CA that signed it."""

import re
import ssl
from hashlib import sha256

LONGEST = 16 * 1024  # characters
PEM = "-----BEGIN CERTIFICATE-----"
BLOCKS = re.compile(f"{PEM}[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----")
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def normal_certificate(text: str) -> str:
    """Return a SHA-256 fingerprint as 64 small hexadecimal digits, or the text of a CA; raises ValueError."""
    digits = text.strip().replace(":", "").lower()
    if not digits or FINGERPRINT.fullmatch(digits):
        return digits
    blocks = BLOCKS.findall(text) if len(text) <= LONGEST else []
    if not blocks:
        raise ValueError("neither a SHA-256 fingerprint nor a certificate in PEM")
    found = "\n".join(block.replace("\r", "") for block in blocks)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except ssl.SSLError:
        raise ValueError("not a certificate in PEM") from None
    return found


def short_certificate(normal: str) -> str:
    """Return what names a certificate in its normal form in one line: its fingerprint; for CAs, that of each."""
    blocks = BLOCKS.findall(normal)
    prints = [sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest() for block in blocks]
    return f"CA {', '.join(prints)}" if blocks else normal
