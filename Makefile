# Everything a developer types. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help venv up test test-sqlite test-postgres fuzz check format lock protocol clean
BIN := .venv/bin
STUBS := $(wildcard protocol/v1/*.proto)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: .venv/.dev ## the virtual environment with everything for development

.venv/.product: requirements.txt deploy/venv.sh
	@deploy/venv.sh requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt deploy/venv.sh
	@deploy/venv.sh requirements-dev.txt
	@touch .venv/.product $@

up: .venv/.product ## start the whole product with a simulated fleet
	@exec $(BIN)/python manage.py up

test: .venv/.dev ## every test, on SQLite + Valkey and on PostgreSQL + Redis
	@exec $(BIN)/python -m tests.run -- $(PYTEST_ARGS)

test-sqlite: .venv/.dev ## tests on SQLite + Valkey only: make test-sqlite PYTEST_ARGS="tests/backends -x"
	@exec $(BIN)/python -m tests.run sqlite -- $(PYTEST_ARGS)

test-postgres: .venv/.dev ## tests on PostgreSQL + Redis only
	@exec $(BIN)/python -m tests.run postgresql -- $(PYTEST_ARGS)

fuzz: .venv/.dev ## 50,000 random REST requests on each database, and every edge of every parameter: for a night
	@MOREH_TEST_FUZZ_CASES=50000 exec $(BIN)/python -m tests.run -- tests/rest/test_fuzz.py $(PYTEST_ARGS)

check: .venv/.dev ## format, lint, types, import contracts, Django's checks: what CI runs before the tests
	@exec deploy/check.sh

format: .venv/.dev ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: .venv/.dev ## pin every wheel with its hashes
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt
LOCK := --quiet --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11

protocol: .venv/.dev ## generate the protocol's stubs
	$(BIN)/python -m grpc_tools.protoc -I. --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(STUBS)

clean: ## remove caches and what tests left; keeps var/ and .venv/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build .coverage
