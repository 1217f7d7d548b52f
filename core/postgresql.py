from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


def is_postgresql(database: BaseDatabaseWrapper | None = None) -> bool:
    """Whether a statement may take PostgreSQL's own form; else the portable form beside it is used."""
    return (database or connection).vendor == "postgresql"
