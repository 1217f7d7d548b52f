#!/bin/sh
# Install the lock files in a temporary environment of each installed Python, and run some tests: deploy/pythons.sh [PYTHON…]
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- python3.11 python3.12 python3.13
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The server must start with the production lock file alone. The tests need the development lock file.
try() {
    VENV="$scratch/venv" PYTHON="$1" deploy/venv.sh requirements.txt &&
        MOREH_DATA_DIR="$scratch/data" "$scratch/venv/bin/python" manage.py check &&
        VENV="$scratch/venv" PYTHON="$1" deploy/venv.sh requirements-dev.txt &&
        "$scratch/venv/bin/python" -m pip check &&
        "$scratch/venv/bin/python" -m pytest -q -n 1 tests/core tests/scheduler/policy
}

failed=
for python in "$@"; do
    "$python" -c '' 2>/dev/null || { echo "$python: not installed"; continue; }
    rm -rf "$scratch/venv"
    if try "$python"; then echo "$python: ok"; else failed="$failed $python"; fi
done
[ -z "$failed" ] || { echo "Failed:$failed" >&2; exit 1; }
