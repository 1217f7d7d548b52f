"""Variables that look like settings and are none: a letter too many must not be ignored in silence."""

import os
import re
from difflib import get_close_matches
from pathlib import Path

NAME = re.compile(r"\bMOREH_[A-Z_]+")
TESTS = "TEST_"  # for who runs the tests
# Read by our other programs, which may share the environment.
PROGRAMS = ("SERVER", "TOKEN", "JOB_ID", "WORKERS", "WORKER_ID", "WORKER_PORT", "DEVICES", "AGENT")
OTHERS = {f"MOREH_{name}" for name in PROGRAMS}
COMMANDS = {"MOREH_ADMIN_USER", "MOREH_ADMIN_PASSWORD"}  # read where they are used


def _known() -> set[str]:
    """Return every name that stands in the files of this package."""
    files = Path(__file__).parent.glob("*.py")
    return COMMANDS.union(*(NAME.findall(file.read_text("utf-8")) for file in files))


def unknown(names: list[str]) -> list[tuple[str, str]]:
    """Return the names that nobody reads, each with the nearest one that is read, or with ''."""
    ours = sorted(name for name in names if name.startswith("MOREH_") and not name.startswith(f"MOREH_{TESTS}"))
    if not ours:
        return []
    known = _known()
    strange = [name for name in ours if name not in known | OTHERS]
    return [(name, next(iter(get_close_matches(name, sorted(known), 1, 0.8)), "")) for name in strange]


MOREH_UNKNOWN = unknown(list(os.environ))
