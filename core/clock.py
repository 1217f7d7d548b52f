"""The one clock: the database's, because the clocks of our hosts disagree."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Func
from django.db.models.sql.compiler import SQLCompiler

from core.postgresql import is_postgresql


def to_ms(at: datetime) -> int:
    """Return an aware time as whole milliseconds since 1970, exactly."""
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


class Milliseconds(Func):
    """The same of a column of times of whole milliseconds, none null, by the database: a tenth of what Python takes."""

    output_field = BigIntegerField()
    template = "(extract(epoch FROM least(greatest(%(expressions)s, '1970-01-01Z'), '9000-01-01Z')) * 1000)::bigint"

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        """Count days with fractions, which SQLite keeps as milliseconds itself."""
        days = "coalesce(CAST(round((julianday(%(expressions)s) - 2440587.5) * 86400000) AS INTEGER), 0)"
        return self.as_sql(compiler, connection, template=days, **context)


def from_ms(ms: int) -> datetime:
    """Return the time that is so many milliseconds after 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def whole_ms(at: datetime) -> datetime:
    """Cut a time to milliseconds, the resolution of every interval that we bill."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def db_now() -> datetime:
    """Read the clock of the database, to the millisecond.

    Call it after taking the lock that it should be ordered by: a time taken before makes intervals overlap.
    SQLite has no server, so there the host's clock is the database's.
    """
    if not is_postgresql():
        return whole_ms(datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (at,) = cursor.fetchone()
    return whole_ms(at.astimezone(UTC))


def db_now_after(*times: datetime | None) -> datetime:
    """Read the clock; if it was set back, return the latest of the times that what is written now comes after."""
    return max(db_now(), *filter(None, times))
