"""Certificates in files: when the first of a file expires."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from django.conf import settings

from alerts.choices import Level, SubjectKind
from alerts.codes import Code
from alerts.services import NewAlert
from alerts.subjects import Subject
from core.clock import db_now
from moreh_cloud.selfcheck.alerting import Open
from moreh_cloud.selfcheck.levels import level_of

WARNING_DAYS, CRITICAL_DAYS, MARGIN_DAYS = 30, 7, 1
DAY = 86_400


class CertificateFile(NamedTuple):
    """A file, its subject, and when the first certificate in it expires; None if it cannot be read."""

    path: Path
    subject: Subject
    expires_at: datetime | None


def certificate_files() -> Iterator[CertificateFile]:
    """Yield the certificates of the gRPC server, and those that MOREH_CERTIFICATES names."""
    own = (settings.MOREH_GRPC_CERT, settings.MOREH_GRPC_CLIENT_CA, settings.MOREH_GRPC_CHECK_CERT)
    for path in dict.fromkeys(filter(None, (*own, *settings.MOREH_CERTIFICATES))):
        yield CertificateFile(path, Subject(SubjectKind.SYSTEM, crc32(str(path).encode())), _expiry(path))


def _expiry(path: Path) -> datetime | None:
    from cryptography import x509  # only the processes that ask need it

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    return min(one.not_valid_after_utc for one in found)


def check_certificates(before: Open) -> Sequence[NewAlert]:
    """Return an alert for each file whose certificate expires soon, or that cannot be read."""
    now, found = db_now(), []
    for file in certificate_files():
        if file.expires_at is None:
            found.append(NewAlert(Code.CERTIFICATE_UNREADABLE, file.subject, {"file": file.path.name}, Level.WARNING))
            continue
        days = (file.expires_at - now).total_seconds() / DAY
        limits = {"warning": -WARNING_DAYS, "critical": -CRITICAL_DAYS}
        level = level_of(-days, before.get(file.subject), **limits, margin=MARGIN_DAYS)
        if level:
            params = {"file": file.path.name, "date": f"{file.expires_at:%Y-%m-%d}", "days": max(0, int(days))}
            found.append(NewAlert(Code.CERTIFICATE_EXPIRES, file.subject, params, level))
    return found
