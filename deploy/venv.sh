#!/bin/sh
# Create a virtual environment (VENV, or .venv) and install pinned wheels into it: deploy/venv.sh REQUIREMENTS-FILE
set -eu
requirements=$1
venv=${VENV:-.venv}
python=${PYTHON:-}
# Use the newest version that is installed and starts; the lock file has wheels for each.
for version in 3.13 3.12 3.11; do
    if [ -z "$python" ] && "python$version" -c '' 2>/dev/null; then python=python$version; fi
done

[ -n "$python" ] || { echo "Python 3.11, 3.12 or 3.13 is needed (Debian: apt-get install python3)." >&2; exit 1; }
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "Python 3.11, 3.12 or 3.13 is needed, and '$python' is not one of them." >&2; exit 1
fi

# A virtual environment needs ensurepip, which Debian has in a separate package.
if [ ! -x "$venv/bin/pip" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing python3-venv …"
        apt-get -q update >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv >/dev/null
    else
        echo "Python's venv module is incomplete. As root: apt-get install python3-venv" >&2; exit 1
    fi
fi

[ -x "$venv/bin/pip" ] || "$python" -m venv --clear "$venv"
echo "Installing the pinned wheels of $requirements …"
# --no-deps: the lock file names all packages. If pip resolves dependencies itself, it takes the newest version of an
# extra that only a wheel requires (coverage[toml]), and refuses it without a hash if it is not the pinned version.
# --quiet twice: no warning about each configured index that lacks a wheel; errors are still shown.
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$requirements"
