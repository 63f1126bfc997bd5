# Peerly. `make help` lists what can be made.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# A stamp carries the checksum of what it stands for: a changed lock file means a new installation, a touched one does not.
sum_of = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
SETUP := $(VENV)/.run-$(call sum_of,requirements/run.txt)
SETUP_TEST := $(VENV)/.test-$(call sum_of,requirements/run.txt requirements/test.txt)
SETUP_BENCH := $(VENV)/.bench-$(call sum_of,requirements/run.txt requirements/test.txt requirements/bench.txt)

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z_-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run services env proof doctor backup restore
run: $(SETUP) ## Run Peerly in one process, on a database of its own or on DATABASE_URL and AMQP_URL
	@exec $(BIN)/python -m services

services: $(SETUP) ## Run Peerly as one process per service behind a gateway, all on this machine
	@exec $(BIN)/python -m services processes

env: ## Write .env with fresh secrets for `docker compose up`
	@exec $(or $(PYTHON),python3) deploy/make_env.py

proof: $(SETUP) ## Check the books: nothing overspent, nothing lost
	@exec $(BIN)/python -m services proof

backup: $(SETUP) ## Write everything into a new file (FILE=peerly.backup)
	@exec $(BIN)/python -m services backup $(or $(FILE),$(error Name the file: make $@ FILE=peerly.backup))

restore: $(SETUP) ## Bring a backup back (FILE=..., and ARGS="--replace" or ARGS="--service recognition")
	@exec $(BIN)/python -m services restore $(or $(FILE),$(error Name the file: make $@ FILE=peerly.backup)) $(ARGS)

doctor: $(SETUP) ## Look at the whole installation and say what to do
	@exec $(BIN)/python -m services doctor

##@ Work on it

.PHONY: test faults simulate bench bench-compare check format docs clean
test: $(SETUP_TEST) system-packages ## Run all tests (ARGS="-k hi5" chooses some)
	$(BIN)/python -m pytest $(ARGS)

simulate: $(SETUP_TEST) ## Drive all services through 20,000 random schedules of faults (SEEDS=n; SEED=n replays one)
	@exec $(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS))

faults: $(SETUP_TEST) system-packages ## Break everything and count (ONLY=F7,F9 and REPEATS=1 choose; SHORT=1 as CI does)
	@exec $(BIN)/python -m tests.faults $(if $(ONLY),--only $(ONLY)) $(if $(REPEATS),--repeats $(REPEATS)) $(if $(SHORT),--short)

bench: WANTED := wrk
bench: $(SETUP_BENCH) system-packages ## Measure beside what this machine can do (ONLY=feed,hi5 chooses; QUICK=1 shows that it works)
	@exec $(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-compare: WANTED := wrk
bench-compare: $(SETUP_BENCH) system-packages ## Measure the hot paths beside those of an earlier commit (BASE=main~3; ONLY=feed,hi5 chooses)
	@exec $(BIN)/python -m benchmarks --base $(or $(BASE),$(error Name the commit: make $@ BASE=main~1)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

check: $(SETUP_BENCH) ## Check format, lint, types, imports, migrations and whether the generated documents are fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PYTHON_FOLDERS)
	$(BIN)/lint-imports --no-logo
	$(BIN)/squawk --reporter gcc $(MIGRATIONS)
	$(BIN)/python -m services docs --check

format: $(SETUP_TEST) ## Put the code in the common format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(SETUP) ## Write the documents of the API and the events anew
	$(BIN)/python -m services docs --write

clean: ## Remove what can be made again (the data folder stays)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

PYTHON_FOLDERS = $(foreach folder,services shared gateway tests benchmarks deploy,$(if $(shell find $(folder) -name '*.py' -print -quit 2>/dev/null),$(folder)))
MIGRATIONS = $(sort $(shell find shared services -path '*/migrations/*.sql'))
# The servers and the browser that the tests start by themselves, the library that sets clocks wrong, and what else is WANTED. Debian's names; elsewhere
# the programs have to be on the PATH.
.PHONY: system-packages
system-packages:
	@missing=""; \
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing="$$missing postgresql"; \
	compgen -G '/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server' >/dev/null || command -v rabbitmq-server >/dev/null || missing="$$missing rabbitmq-server"; \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$$missing nginx"; \
	compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing="$$missing faketime"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	for program in $(WANTED); do command -v "$$program" >/dev/null || missing="$$missing $$program"; done; \
	test -n "$$missing" || exit 0; \
	if test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null; then \
		echo "This starts programs of its own and misses:$$missing. Install them (on Debian or Ubuntu: sudo apt-get install$$missing) and run make $(MAKECMDGOALS) again." >&2; exit 1; \
	fi; \
	echo "Installing$$missing"; export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1 \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
		|| { echo "apt-get could not install$$missing; see its words above." >&2; exit 1; }

.PHONY: setup setup-test setup-bench
setup: $(SETUP) ## Make the virtual environment .venv with what Peerly needs to run
	@:
setup-test: $(SETUP_TEST) ## Add what the tests need
setup-bench: $(SETUP_BENCH) ## Add what the checks and benchmarks need
	@:

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Peerly needs Python 3.11 or newer with the venv module, and found none. Install one (on Debian or Ubuntu: apt-get install python3 python3-venv) or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(SETUP): | $(BIN)/python
	@$(PIP) --version >/dev/null 2>&1 || $(or $(PYTHON),python3) -m venv --clear $(VENV)
	$(PIP) install --quiet --require-hashes --requirement requirements/run.txt
	@rm -f $(VENV)/.run-* && touch $@

$(SETUP_TEST): $(SETUP)
	$(PIP) install --quiet --require-hashes --requirement requirements/test.txt
	@rm -f $(VENV)/.test-* && touch $@

$(SETUP_BENCH): $(SETUP_TEST)
	$(PIP) install --quiet --require-hashes --requirement requirements/bench.txt
	@rm -f $(VENV)/.bench-* && touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: | $(BIN)/python ## Write requirements/*.txt anew from requirements/*.in (UPGRADE=1 takes the newest releases)
	@test -x $(BIN)/uv || $(PIP) install --quiet uv
	$(LOCK) $(if $(UPGRADE),--upgrade) --output-file requirements/run.txt requirements/run.in
	$(LOCK) $(if $(UPGRADE),--upgrade) --output-file requirements/test.txt requirements/test.in
	$(LOCK) $(if $(UPGRADE),--upgrade) --output-file requirements/bench.txt requirements/bench.in
