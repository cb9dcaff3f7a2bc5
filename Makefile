# Every command of the project. `make help` lists them; each does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
RANGE ?= 2013-01-01...2013-12-01
SCALE ?= 1

unexport PYTHONDONTWRITEBYTECODE # what a hundred processes import is compiled once
export DAGSTER_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false
export PYTHONWARNINGS ?= ignore::UserWarning:dagster,ignore::FutureWarning:dagster

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/.installed ## Create the virtual environment with the locked packages (every other command does it, too)

$(if $(findstring .tools,$(UV)),.tools/bin/uv,.tools/never):
	@$(PYTHON) -m venv .tools || { echo "Python's venv module is missing: install python3-venv."; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.installed: requirements.lock pyproject.toml | $(filter .tools/bin/uv,$(UV))
	@echo "Installing the locked packages into .venv ..."
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: demo
demo: setup ## Run the reference project on 336,776 real flights, then show what came of it
	@$(BIN)/feature-platform demo

.PHONY: demo-retail
demo-retail: export FEATURE_PLATFORM_ROOT ?= .feature_platform/retail
demo-retail: setup ## Run the second reference project on 1.47 million real purchases
	@$(BIN)/feature-platform demo retail

.PHONY: dev
dev: setup ## Open the Dagster UI on http://127.0.0.1:3000
	@mkdir -p .dagster && DAGSTER_HOME="$(CURDIR)" $(BIN)/dagster dev --host 127.0.0.1

.PHONY: services
services: ## Install the servers and the browser that tests start for themselves (Debian and Ubuntu; not started here)
	@.ci/services

ONE_THREAD := POLARS_MAX_THREADS=1 TOKIO_WORKER_THREADS=1 OPENBLAS_NUM_THREADS=1 # a fifth less work in small tests; test-all has threads
WORKERS ?= 3 # one more than cores: tests wait for processes, servers and files
.PHONY: test
test: setup services ## Run the tests: every promise, laws on few examples
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

.PHONY: test-all
test-all: setup services ## Add what takes long: long repetitions, laws on many examples
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "slow or hypothesis or repeated" --hypothesis-profile full

RESOLUTION ?= lowest-direct
.PHONY: test-ranges
test-ranges: services | $(filter .tools/bin/uv,$(UV)) ## Run the tests with the oldest packages that are allowed (RESOLUTION=highest: the newest)
	@$(UV) venv --quiet --clear --python $(PYTHON) .ranges
	@$(UV) pip install --quiet --python .ranges/bin/python --resolution $(RESOLUTION) --editable ".[adbc,alerts,contracts,dagster-postgres,dlt,flights,iceberg,jwt,kafka,lineage,objects,postgres,redis,retail]" --group dev
	@.ranges/bin/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

.PHONY: coverage
coverage: setup services ## Run the tests and report which lines they reach (a report, not a gate)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=term --cov-report=html:dist/coverage

.PHONY: check
check: setup ## Formatting, lint, spelling, types, floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/typos
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: setup ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup | $(filter .tools/bin/uv,$(UV)) ## Measure ours beside raw Polars, DuckDB and Feast (SCALE=0.01 for a quick look)
	@$(BIN)/python -m benchmarks.run --scale $(SCALE) $(if $(CASES),--cases $(CASES))
	@$(if $(CASES),true,$(MAKE) --no-print-directory bench-online SCALE=$(SCALE))

.PHONY: bench-online
bench-online: setup | $(filter .tools/bin/uv,$(UV)) ## Put the feature server under load beside Feast's (needs wrk, hey, redis-server; part of bench)
	@$(BIN)/python -m benchmarks.online.run --scale $(SCALE) $(if $(CASES),--cases $(CASES))

.PHONY: lock
lock: | $(filter .tools/bin/uv,$(UV)) ## Resolve the packages again into requirements.lock
	@$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock $(if $(UPGRADE),--upgrade) pyproject.toml

.PHONY: dist
dist: setup ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m hatchling build -d dist

.PHONY: docs
docs: setup ## Build the documentation site into dist/site (no network)
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs dist/site
	@echo "dist/site/index.html"

.PHONY: picture
picture: setup services ## Make the picture of the README anew, after `make demo`
	@$(BIN)/python docs/picture.py

.PHONY: clean
clean: ## Remove what runs have written (stores, Dagster's memory), not the environment
	@rm -rf .feature_platform .dagster .ranges dist
