"""Run the tests on each database: `python -m tests.run [sqlite] [postgresql] [-- pytest arguments]`."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests import packages, services, tables

# Tests that start servers wait for a third of their time; the slowest come last in their files, so the idle steal.
TOGETHER = ("-n", str((os.cpu_count() or 2) + 1), "--dist", "worksteal", "--durations", "10")
# Without its byte code a process takes a quarter longer to start, and pytest twice as long to collect.
UNSET = ("DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE")
TITLES = {"sqlite": "SQLite + Valkey", "postgresql": "PostgreSQL + Redis"}


def main(words: list[str]) -> int:
    """Run pytest once per database and print each closing line; return 0 only when every run passed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen, arguments = _split(words)
    packages.install_missing()
    results = {name: _run(name, arguments) for name in chosen}
    for name, (_code, closing) in results.items():
        print(f"{TITLES[name]}:\n{closing}", flush=True)
    return max(code for code, _closing in results.values())


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    cut = words.index("--") if "--" in words else len(words)
    chosen = words[:cut] or list(TITLES)
    if wrong := set(chosen) - set(TITLES):
        sys.exit(f"No such database: {', '.join(sorted(wrong))}. There are: {', '.join(TITLES)}.")
    return chosen, words[cut + 1 :]


def _run(name: str, arguments: list[str]) -> tuple[int, str]:
    print(f"== {TITLES[name]}", flush=True)
    with _environment(name) as environment:
        return _pytest(arguments, environment)


@contextmanager
def _environment(name: str) -> Iterator[dict[str, str]]:
    environment = {key: value for key, value in os.environ.items() if key not in UNSET}
    folder = Path(mkdtemp(prefix=f"moreh-{name}-"))
    try:
        if name == "sqlite":
            yield tables.make(folder, {**environment, "MOREH_TEST_BROKER": "valkey"})
            return
        with services.postgresql(folder) as url:
            yield tables.make(folder, {**environment, "MOREH_TEST_BROKER": "redis", "DATABASE_URL": url})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pytest(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", *TOGETHER, *arguments]
    closing = ""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            closing = line.strip() or closing
    return process.returncode, closing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
