# The commands for developers. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help venv up test test-sqlite test-postgres fuzz check format lock audit pythons protocol picture clean
BIN := .venv/bin
STUBS := $(wildcard protocol/v1/*.proto)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: .venv/.dev ## create the virtual environment with everything for development

.venv/.product: requirements-up.txt deploy/venv.sh
	@deploy/venv.sh requirements-up.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements-up.txt deploy/venv.sh
	@deploy/venv.sh requirements-dev.txt
	@touch .venv/.product $@

up: .venv/.product ## start the whole product with a simulated fleet
	@exec $(BIN)/python manage.py up

test: .venv/.dev ## run every test, on SQLite + Valkey and on PostgreSQL + Redis
	@exec $(BIN)/python -m tests.run -- $(PYTEST_ARGS)

test-sqlite: .venv/.dev ## run tests on SQLite + Valkey only: make test-sqlite PYTEST_ARGS="tests/backends -x"
	@exec $(BIN)/python -m tests.run sqlite -- $(PYTEST_ARGS)

test-postgres: .venv/.dev ## run tests on PostgreSQL + Redis only
	@exec $(BIN)/python -m tests.run postgresql -- $(PYTEST_ARGS)

fuzz: .venv/.dev ## send 50,000 random REST requests on each database, and every edge value of every parameter; runs for a night
	@MOREH_TEST_FUZZ_CASES=50000 exec $(BIN)/python -m tests.run -- tests/rest/test_fuzz.py $(PYTEST_ARGS)

check: .venv/.dev ## run the static checks: format, lint, types, import contracts, migrations, Django's checks, security
	@exec deploy/check.sh

format: .venv/.dev ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

# The server's lock file is compiled alone, so that no other package pins its versions.
lock: .venv/.dev ## pin every wheel with its hashes in requirements*.txt
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) -c requirements.txt requirements-up.in -o requirements-up.txt
	$(BIN)/uv pip compile $(LOCK) -c requirements-up.txt requirements-dev.in -o requirements-dev.txt
LOCK := --quiet --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11

audit: .venv/.dev ## ask PyPI for known vulnerabilities of all locked wheels; run this before each release
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes $(foreach lock,requirements requirements-up requirements-dev,-r $(lock).txt)

pythons: ## install the lock files on each installed Python, and run some tests there
	@exec deploy/pythons.sh

protocol: .venv/.dev ## generate the gRPC stubs from the .proto files
	$(BIN)/python -m grpc_tools.protoc -I. --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(STUBS)

picture: .venv/.dev ## generate the picture and the table of packages in ARCHITECTURE.md
	@$(BIN)/python -m tests.gate.picture

clean: ## remove caches and files that tests left; keep var/ and .venv/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build .coverage
