.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
STANDALONE := $(PYTHON) -m standalone
# by file, in the order of names: what lasts longest comes first, and a file's fixtures are made once
TWO_AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder
SHELL_FILES = $(shell git ls-files '*.sh') .ci/run

.PHONY: demo up down status logs psql engine engine-down test test-unit test-integration lint format fuzz bench clean help packages

demo: packages ## build the sample product's tag from nothing, and say what to open next
	@$(STANDALONE) demo

up: packages ## start everything in the background, and wait until it is ready
	@$(STANDALONE) up

down: packages ## stop it; data and the Docker engine stay
	@$(STANDALONE) down

status: packages ## say what runs, and where
	@$(STANDALONE) status

logs: packages ## follow the logs of everything that runs
	@$(STANDALONE) logs

psql: packages ## open the embedded database
	@$(STANDALONE) psql

engine: packages ## make sure of a Docker engine and of the base image busybox:1.36
	@$(STANDALONE) engine

engine-down: packages ## stop the Docker engine, if Slipway started it
	@$(STANDALONE) engine-down

test: engine ## run all tests, on a real Postgres, Temporal and Docker of their own
	@$(PYTHON) -m pytest $(TWO_AT_ONCE)

test-unit: packages ## run the tests that need nothing but Python
	@$(PYTHON) -m pytest -n 2 tests/unit

test-integration: engine ## run the tests that need a real Postgres, Temporal or Docker
	@$(PYTHON) -m pytest $(TWO_AT_ONCE) tests/integration

lint: packages ## check format, style, types, imports and shell scripts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/shellcheck $(SHELL_FILES)

format: packages ## put the code into its form
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

fuzz: packages ## send the API 20,000 requests at random, and compare the answers with its description
	@$(PYTHON) -m tests.fuzz $(if $(SEED),--seed $(SEED))

bench: engine ## measure, and print a table
	@$(PYTHON) -m benchmarks

clean: ## remove caches; data in .slipway and packages in .venv stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -not -path './.slipway/*' -prune -exec rm -rf {} +

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

packages:
	@sh standalone/bootstrap.sh
