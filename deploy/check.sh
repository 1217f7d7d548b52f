#!/bin/sh
# The static half of the gate. Every check runs, also after one has failed; the last line says which did.
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# As in production: a database and a broker elsewhere (nothing connects to them here), TLS, keys from the environment.
production() {
    env MOREH_DATA_DIR="$scratch" DATABASE_URL=postgresql://moreh@db.invalid/moreh REDIS_URL=redis://broker.invalid/0 \
        MOREH_TLS=1 MOREH_ALLOWED_HOSTS=cloud.invalid MOREH_LOG_FORMAT=json "$@"
}
embedded() { env -u DATABASE_URL -u REDIS_URL MOREH_DATA_DIR="$scratch" "$@"; }

failed=
run() {
    title=$1; shift
    begin=$(date +%s)
    if "$@"; then state=ok; else state=FAILED; failed="$failed $title"; fi
    printf '%-12s %-6s %4s s\n' "$title" "$state" "$(($(date +%s) - begin))"
}
run format ruff format --quiet --check .
run lint ruff check --quiet .
run types embedded mypy --no-error-summary .
run imports lint-imports --no-logo
run deploy production python manage.py check --deploy --fail-level WARNING
run migrations embedded python manage.py makemigrations --check --dry-run
run security bandit --quiet -c pyproject.toml -r --severity-level medium moreh_cloud backends sda tokens scheduler usage billing clients
[ -z "$failed" ] || { echo "Failed:$failed" >&2; exit 1; }
