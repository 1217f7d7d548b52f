import os
import sys
import threading
from contextlib import suppress

COLOURS = ("36", "32", "33", "35", "34", "96", "92", "93", "95", "94")
WIDTH = 7


class Console:
    """Writes lines of many parts to one terminal or file, each line whole and with its part's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours: dict[str, str] = {}
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        """Write one line of a part."""
        self._write(f"{self._painted(name)} | {text}\n")

    def show(self, text: str) -> None:
        """Write the supervisor's own words."""
        self._write(f"{text}\n")

    def _painted(self, name: str) -> str:
        label = name.ljust(WIDTH)
        if not self._coloured:
            return label
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{label}\x1b[0m"

    def _write(self, text: str) -> None:
        # The reader of our output may be gone; the parts are stopped all the same.
        with self._lock, suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()
