"""The allowed changes of a state column, in one table that every write asks."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

S = TypeVar("S", bound=str)


class Transitions(Mapping[S, frozenset[S]]):
    """The states that may follow each state of one column; staying in a state is no transition.

    A write is a conditional update, `rows.filter(state__in=TRANSITIONS.before(new)).update(state=new)`, whose row
    count says who won. `repairs` are changes that only a reconciler makes, to rows that contradict each other.
    The tests' databases refuse every other change (`tests/transitions.py`).
    """

    def __init__(self, table: Mapping[S, set[S]], *, repairs: Mapping[S, set[S]] | None = None) -> None:
        if unknown := {state for following in table.values() for state in following} - set(table):
            raise ValueError(f"states without a row: {sorted(unknown)}")
        self._after = {state: frozenset(following) for state, following in table.items()}
        self._before = {
            state: [earlier for earlier, following in self._after.items() if state in following] for state in table
        }
        self.repairs = {(state, following) for state, after in (repairs or {}).items() for following in after}

    def __getitem__(self, state: S) -> frozenset[S]:
        return self._after[state]

    def __iter__(self) -> Iterator[S]:
        return iter(self._after)

    def __len__(self) -> int:
        return len(self._after)

    def before(self, state: S) -> list[S]:
        """Return the states that may turn into `state`."""
        return self._before[state]

    def into(self, state: S) -> list[S]:
        """Return the states of which a row may become, or stay, `state`."""
        return [state, *self._before[state]]

    def pairs(self) -> set[tuple[S, S]]:
        """Return every allowed change as (from, to)."""
        return {(state, following) for state, after in self._after.items() for following in after}
