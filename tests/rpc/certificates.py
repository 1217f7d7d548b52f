"""Certificates for tests, made on the spot."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates; its own is `pem`."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self._name, self._key.public_key(), is_authority=True)

    def issue(self, name: str, *, public: str = "") -> tuple[bytes, bytes]:
        """Make a key and a certificate for 127.0.0.1 (or only for a public name), both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem, self._sign(subject, key.public_key(), is_authority=False, public=public)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool, public: str = ""
    ) -> bytes:
        now = datetime.now(UTC)
        name = x509.DNSName(public) if public else x509.IPAddress(ip_address("127.0.0.1"))
        here = x509.SubjectAlternativeName([name])
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        signed = builder.add_extension(here, critical=False).sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def written(folder: Path, name: str, pem: bytes) -> Path:
    """Put PEM data into a file."""
    path = folder / name
    path.write_bytes(pem)
    return path
