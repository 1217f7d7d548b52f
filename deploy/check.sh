#!/bin/sh
# Run the static checks. Every check runs, also after one has failed; the last line names the failed ones.
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Settings as in production: an external database and broker (no check connects to them), TLS, JSON logs.
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
run security bandit --quiet -c pyproject.toml -r --severity-level medium core protocol idempotency events accounts alerts bulk inventory liveness outbox subscriptions backends sda tokens scheduler usage billing fleet console moreh_cloud clients
[ -z "$failed" ] || { echo "Failed:$failed" >&2; exit 1; }
