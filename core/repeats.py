"""Transactions that the database rolled back so that another one could go on, carried out again.

Row locks are taken in one order (ARCHITECTURE.md), but no order covers foreign keys, triggers and statements of many
rows. So a call, a request or a task is repeated here, where nothing of it was committed before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction

from core.postgresql import is_postgresql

T = TypeVar("T")
TRIES = 3
ROLLED_BACK = {"40001", "40P01"}  # PostgreSQL rolled one of two transactions back so that the other could go on


def is_rolled_back(error: BaseException) -> bool:
    """Whether the database rolled a transaction back that may succeed when it is carried out again."""
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) in ROLLED_BACK


def repeated(work: Callable[[], T]) -> T:
    """Call `work`; call it again when its transaction was rolled back and it had committed nothing before.

    Inside a transaction it is called once: whoever began that transaction repeats all of it.
    """
    if connection.in_atomic_block or not is_postgresql():
        return work()
    for left in reversed(range(TRIES)):
        with _commits() as committed:
            try:
                return work()
            except OperationalError as error:
                if not left or committed or not is_rolled_back(error):
                    raise
    raise AssertionError("unreachable")


@contextmanager
def _commits() -> Iterator[list[bool]]:
    """Yield a list that gets an entry for each commit of this thread; what is rolled back adds none.

    Every transaction counts, also one that only reads: what is copied into a table passes no wrapper.
    """
    committed: list[bool] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if connection.in_atomic_block or not sql.lstrip().upper().startswith("SELECT"):
            transaction.on_commit(commit)
        return result

    def commit() -> None:
        committed.append(True)

    with connection.execute_wrapper(note):
        yield committed
