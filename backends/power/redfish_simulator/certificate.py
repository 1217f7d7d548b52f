"""The certificate of simulated BMCs: self-signed, for loopback, as new BMCs have one."""

import os
import ssl
import tempfile
from asyncio.sslproto import SSLProtocol
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSLProtocol.max_size = 16 * 1024  # bytes; asyncio's 256 KiB for each connection would be 256 MiB for 1,000 BMCs
DAYS = timedelta(days=3650)


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate with its key, in one PEM text."""

    pem: bytes

    @classmethod
    def new(cls) -> "ServerCertificate":
        """Make a certificate for 127.0.0.1 that is its own CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated BMC")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + DAYS)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        made = builder.add_extension(names, critical=False).add_extension(ca, critical=True).sign(key, hashes.SHA256())
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return cls(made.public_bytes(serialization.Encoding.PEM) + private)

    @classmethod
    def kept_in(cls, file: Path) -> "ServerCertificate":
        """Return the certificate that the file holds; make it if there is none."""
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(cls.new().pem)
        return cls(file.read_bytes())

    @property
    def ca(self) -> str:
        """Return the certificate alone, which also is the CA that signed it."""
        return x509.load_pem_x509_certificate(self.pem).public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """Return its SHA-256 fingerprint in hexadecimal digits."""
        return sha256(ssl.PEM_cert_to_DER_cert(self.ca)).hexdigest()

    def context(self) -> ssl.SSLContext:
        """Return a context for servers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # private to us; ssl reads only files
            file.write(self.pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context
