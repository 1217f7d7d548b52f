"""TLS to BMCs: each is verified by its pinned certificate or by a CA, before the first byte of a request."""

import ssl
from asyncio.sslproto import SSLProtocol
from functools import lru_cache
from hashlib import sha256

from backends.power.certificate import FINGERPRINT, PEM
from backends.power.driver import BmcAddress
from backends.power.errors import UntrustedCertificate

SSLProtocol.max_size = 16 * 1024  # bytes; asyncio's 256 KiB for each connection would be 256 MiB for 1,000 BMCs


@lru_cache(maxsize=64)
def context_for(certificate: str) -> ssl.SSLContext:
    """Return how to verify a BMC: by a fingerprint, the text of a CA, a file of CAs, or (empty) the system's CAs.

    Raises UntrustedCertificate if the file cannot be read. What it holds is remembered.
    """
    if FINGERPRINT.fullmatch(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # require_pinned verifies it
        return context
    if PEM in certificate:
        return ssl.create_default_context(cadata=certificate)
    try:
        return ssl.create_default_context(cafile=certificate or None)
    except OSError:  # ssl.SSLError too
        raise UntrustedCertificate("The file of CAs (MOREH_BMC_CA) cannot be read or holds none") from None


def require_pinned(address: BmcAddress, certificate: str, shown: bytes | None) -> None:
    """Raise UntrustedCertificate if a fingerprint is set and the certificate shown (DER) has another."""
    if FINGERPRINT.fullmatch(certificate) and sha256(shown or b"").hexdigest() != certificate:
        raise UntrustedCertificate(f"BMC {address} shows another certificate than the pinned one")
