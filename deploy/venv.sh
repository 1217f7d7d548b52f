#!/bin/sh
# Make the virtual environment .venv and install pinned wheels into it: deploy/venv.sh REQUIREMENTS-FILE
set -eu
requirements=$1
python=${PYTHON:-python3.11}

command -v "$python" >/dev/null || { echo "Python 3.11 is needed and '$python' is not there (Debian 12: apt-get install python3)." >&2; exit 1; }
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "Python 3.11 is needed, and '$python' is another version." >&2; exit 1
fi

# Debian keeps ensurepip, which a virtual environment needs, in a package of its own.
if [ ! -x .venv/bin/pip ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing python3-venv …"
        apt-get -q update >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv >/dev/null
    else
        echo "Python's venv module is incomplete. As root: apt-get install python3-venv" >&2; exit 1
    fi
fi

[ -x .venv/bin/pip ] || "$python" -m venv --clear .venv
echo "Installing the pinned wheels of $requirements …"
# The lock names everything that is needed. Left to look for dependencies, pip takes an extra that only a wheel asks for
# (coverage[toml]) in its newest version, and refuses that for want of a hash as soon as it is not the pinned one.
# Twice quiet: a warning about each configured place that lacks a wheel helps nobody; errors still show.
.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$requirements"
