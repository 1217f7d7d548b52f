"""The disks under the data folder and the database of SQLite, as this process sees them, and PostgreSQL's size."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection

from alerts.choices import SubjectKind
from alerts.codes import Code
from alerts.services import NewAlert
from alerts.subjects import Subject
from core.postgresql import is_postgresql
from moreh_cloud.selfcheck.alerting import Open
from moreh_cloud.selfcheck.levels import level_of

log = structlog.get_logger(__name__)
MARGIN = 3  # percent
GIB = 1024**3


class Disk(NamedTuple):
    """A place that fills: its label in metrics, its subject, its code, and its used share from 0 to 1."""

    name: str
    subject: Subject
    code: Code
    used: float


def disks() -> Iterator[Disk]:
    """Yield the places whose size is known; the database of SQLite only where it is not on the disk of the data."""
    data = Path(settings.MOREH_DATA_DIR)
    yield from _folder("data", 1, Code.DATA_DISK_FULL, data)
    if is_postgresql():
        if settings.MOREH_DB_GIB:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_database_size(current_database())")
                (size,) = cursor.fetchone()
            used = size / (settings.MOREH_DB_GIB * GIB)
            yield Disk("database", Subject(SubjectKind.SYSTEM, 2), Code.DATABASE_FULL, used)
        return
    file = Path(str(connection.settings_dict["NAME"]))
    if file.exists() and file.stat().st_dev != data.stat().st_dev:
        yield from _folder("database", 2, Code.DATABASE_FULL, file.parent)


def _folder(name: str, number: int, code: Code, folder: Path) -> Iterator[Disk]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        log.warning("disk_not_read", disk=name, error=type(error).__name__)
        return
    if usage.used + usage.free:  # as df does: what only root may use counts as used by nobody
        yield Disk(name, Subject(SubjectKind.SYSTEM, number), code, usage.used / (usage.used + usage.free))


def check_disks(before: Open) -> Sequence[NewAlert]:
    """Return an alert for each place that is nearly full."""
    found = []
    for disk in disks():
        percent = 100 * disk.used
        limits = {"warning": settings.MOREH_DISK_WARNING, "critical": settings.MOREH_DISK_CRITICAL}
        level = level_of(percent, before.get(disk.subject), **limits, margin=MARGIN)
        if level:
            found.append(NewAlert(disk.code, disk.subject, {"percent": int(percent)}, level))
    return found
