# Everything here sets itself up. All it needs is make and Python 3.10 or newer.

PYTHON ?= python3
VENV := .venv
MELTANO_VENV := .venv-meltano

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.bench-installed
SOURCES_INSTALLED := $(VENV)/.sources-installed
MELTANO_INSTALLED := $(MELTANO_VENV)/.installed
PLUGINS_INSTALLED := $(MELTANO_VENV)/.plugins-installed

# Real taps, moto, which stands for AWS, and nx-27017, which stands for MongoDB: each in an environment of its own, with the versions of tests/taps/locks.
# MeltanoLabs' tap-postgres is Meltano's.
TAPS_OF_TEST := pipelinewise-tap-postgres
TAPS := $(TAPS_OF_TEST) $(sort meltano-map-transform moto nx-27017 pipelinewise-tap-mysql pipelinewise-tap-s3-csv tap-dbf tap-dynamodb \
	tap-intercom tap-jsonl tap-mongodb tap-mysql tap-s3-csv tap-stripe)
TAPS_LOCKED := $(TAPS:%=tests/taps/locks/%.lock)
tried = $(1:%=.venv-taps/%/.tried)

# What takes little, at least a file for each folder of tests, and all pure functions.
QUICK := tests/units \
	tests/behaviour/bulk/test_bulk_memory.py tests/behaviour/companies/test_companies.py \
	tests/behaviour/contacts/test_identity.py tests/behaviour/contacts/test_modes.py \
	tests/behaviour/contacts/test_streams.py tests/behaviour/memory/test_ledger_keeping.py \
	tests/behaviour/removals/test_left.py tests/behaviour/reports/test_report.py \
	tests/behaviour/tags/test_group_names.py tests/failures/test_ledger_errors.py tests/ledger/test_forgetting.py \
	tests/ledger/test_intents.py tests/ledger/test_memberships.py tests/ledger/test_migrations.py \
	tests/ledger/test_unarchived.py tests/ledger/test_vacuum.py tests/sandbox/test_contacts.py \
	tests/sandbox/test_search.py tests/sandbox/test_tags.py tests/singer/test_singer.py tests/test_docs.py

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
# The certificates of the system, as pip takes them: a proxy may sign with its own.
UV := UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 $(BIN)/uv
LOCK := $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate --no-emit-index-url

# $(call new-venv,DIRECTORY): an empty environment, or one sentence that says why there is none.
# One that is there stays what it is, with the Python that it was made with: `make clean` makes room for another.
define new-venv
	@command -v "$(PYTHON)" >/dev/null || { echo "No $(PYTHON) found. Install Python 3.10 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: its module venv or ensurepip is missing (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear "$(1)"
endef

# Without bytecode each of the processes that tests start, some hundred, would compile the target anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test quick soak taps lint format bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) $(PLUGINS_INSTALLED) ## PostgreSQL -> Meltano -> target-intercom -> a sandbox workspace, shown row by row; KEEP=1 leaves its page open
	@$(BIN)/python -m demo $(if $(filter-out 0,$(KEEP)),--keep)

test: $(INSTALLED) $(PLUGINS_INSTALLED) $(call tried,$(TAPS_OF_TEST)) ## Run all tests
	@$(BIN)/python -m pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder

quick: $(INSTALLED) ## Run a part of the tests, some two minutes, for work in progress
	@$(BIN)/python -m pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder $(QUICK)

soak: $(INSTALLED) ## Let random histories happen in pairs of worlds that must agree; MINUTES=5, SEED=, ONLY=batches, JOBS=1, CASE=
	@$(BIN)/python -m tests.soak $(MINUTES:%=--minutes %) $(SEED:%=--seed %) $(ONLY:%=--only %) $(JOBS:%=--jobs %) $(CASE:%=--case %)

taps: $(INSTALLED) $(SOURCES_INSTALLED) $(PLUGINS_INSTALLED) $(call tried,$(TAPS)) ## Load from real taps, and show what each came to
	@$(BIN)/python -m pytest tests/taps --verbose -r s

lint: $(INSTALLED) ## Check style, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(INSTALLED) $(BENCH_INSTALLED) ## Measure what loads cost; ARGS="--quick", ARGS=window and so on: docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(INSTALLED) $(TAPS_LOCKED:%=%-anew) ## Renew the lock files
	$(LOCK) --output-file requirements-dev.lock --group dev pyproject.toml
	$(LOCK) --output-file requirements-meltano.lock --group meltano
	$(LOCK) --output-file benchmarks/requirements.lock --group bench --constraint requirements-dev.lock
	$(LOCK) --output-file tests/taps/requirements.lock --group taps --constraint requirements-dev.lock

tests/taps/locks/%.lock-anew: $(INSTALLED)
	echo "$(if $(filter moto,$*),moto[server],$*)" | $(LOCK) --output-file tests/taps/locks/$*.lock -

clean: ## Remove the environments, caches and build output
	rm -rf $(VENV) $(MELTANO_VENV) .venv-taps .meltano build dist htmlcov .coverage
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(call new-venv,$(VENV))

$(INSTALLED): pyproject.toml requirements-dev.lock | $(BIN)/python
	@echo "Setting up $(VENV) ..."
	@$(BIN)/python $(PIP_INSTALL) --requirement requirements-dev.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(BENCH_INSTALLED): benchmarks/requirements.lock $(INSTALLED)
	@$(BIN)/python $(PIP_INSTALL) --requirement benchmarks/requirements.lock
	@touch $@

$(MELTANO_VENV)/bin/python:
	$(call new-venv,$(MELTANO_VENV))

$(MELTANO_INSTALLED): requirements-meltano.lock | $(MELTANO_VENV)/bin/python
	@echo "Setting up $(MELTANO_VENV) ..."
	@$(MELTANO_VENV)/bin/python $(PIP_INSTALL) --requirement requirements-meltano.lock
	@touch $@

$(PLUGINS_INSTALLED): $(MELTANO_INSTALLED) meltano.yml pyproject.toml
	@echo "Installing tap-postgres and target-intercom for Meltano ..."
	@$(MELTANO_VENV)/bin/meltano --log-level warning install
	@touch $@

$(SOURCES_INSTALLED): tests/taps/requirements.lock $(INSTALLED)
	@$(BIN)/python $(PIP_INSTALL) --requirement tests/taps/requirements.lock
	@touch $@

# A tap that this Python cannot have, or that cannot be fetched, fails nothing: its tests are skipped and give the reason,
# and the next make tries again.
.venv-taps/%/.tried: tests/taps/locks/%.lock $(INSTALLED)
	@echo "Setting up .venv-taps/$* ..."
	@mkdir -p .venv-taps
	@if $(UV) venv --quiet --clear --python $(BIN)/python .venv-taps/$* 2>.venv-taps/$*.log && \
		$(UV) pip install --quiet --python .venv-taps/$*/bin/python --requirement $< 2>>.venv-taps/$*.log; \
		then touch $@; else rm -rf .venv-taps/$*; echo "$* cannot be installed: .venv-taps/$*.log" >&2; fi
