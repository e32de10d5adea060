.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
STANDALONE := $(PYTHON) -m standalone
# by file, in the order of names: what lasts longest comes first, and a file's fixtures are made once
TWO_AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder
# host-free: hashes, no address
LOCK := .slipway/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
SHELL_FILES = $(shell git ls-files '*.sh') .ci/run

.PHONY: demo up down status logs psql engine engine-down test test-unit test-integration lint format fuzz bench chaos lock clean help packages product

demo: product ## build the sample product's tag from nothing, and say what to open next
	@$(STANDALONE) demo

up: product ## start everything in the background, and wait until it is ready
	@$(STANDALONE) up

down: product ## stop it; data and the Docker engine stay
	@$(STANDALONE) down

status: product ## say what runs, and where
	@$(STANDALONE) status

logs: product ## follow the logs of everything that runs
	@$(STANDALONE) logs

psql: product ## open the embedded database
	@$(STANDALONE) psql

engine: product ## make sure of a Docker engine and of the base image busybox:1.36
	@$(STANDALONE) engine

engine-down: product ## stop the Docker engine, if Slipway started it
	@$(STANDALONE) engine-down

test: packages engine ## run all tests, on a real Postgres, Temporal and Docker of their own
	@$(PYTHON) -m pytest $(TWO_AT_ONCE)

test-unit: packages ## run the tests that need nothing but Python
	@$(PYTHON) -m pytest -n 2 tests/unit

test-integration: packages engine ## run the tests that need a real Postgres, Temporal or Docker
	@$(PYTHON) -m pytest $(TWO_AT_ONCE) tests/integration

lint: packages ## check format, style, types, imports, walls and shell scripts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@$(PYTHON) -m pytest -q -p no:cacheprovider tests/test_architecture.py
	.venv/bin/shellcheck $(SHELL_FILES)

format: packages ## put the code into its form
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

fuzz: packages ## send the API 20,000 requests at random, and compare the answers with its description
	@$(PYTHON) -m tests.fuzz $(if $(SEED),--seed $(SEED))

bench: packages engine ## measure, and print a table
	@$(PYTHON) -m benchmarks

chaos: packages engine ## take parts and runs away at random (CELLS="kill-worker reset", ROUNDS=12, SEED=1, LONGEST=300), and say what held
	@$(PYTHON) -m chaos $(if $(CELLS),--cells "$(CELLS)") $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) $(if $(LONGEST),--longest $(LONGEST))

lock: packages ## choose the versions of all packages anew, where pyproject.toml has changed
	$(LOCK) --group dev pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml -c requirements.lock -o requirements.run.lock

clean: ## remove caches; data in .slipway and packages in .venv stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -not -path './.slipway/*' -prune -exec rm -rf {} +

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

packages:
	@sh standalone/bootstrap.sh

product: # what runs needs no tools of those who write it
	@sh standalone/bootstrap.sh product
