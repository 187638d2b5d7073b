# The first Python here that is new enough and can make virtual environments.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
# Further arguments for pytest: make test-sqlite PYTEST="-k lifecycle"
PYTEST ?=
# What a browser sees, and what uses no database, is the same on each of them: looked at on SQLite.
AGAIN = --on-database --ignore=tests/browser
# The same for MySQL alone, where `make test` runs it beside others.
ON_MYSQL ?=
# Further arguments for the benchmarks: make bench BENCH="--quick --only drain"
BENCH ?=

# Share of the catalogue's times and rounds, and further arguments: make faults FAULTS="--databases sqlite"
SCALE ?= 0.1
FAULTS ?=
# How long the soak takes, and on which database: make soak MINUTES=120 DATABASE=sqlite
MINUTES ?= 10
DATABASE ?= postgresql
SEED ?=
# How many odd requests the fuzz sends: make fuzz REQUESTS=100000 DATABASE=sqlite SEED=...
REQUESTS ?= 20000

.PHONY: help demo faults soak fuzz test test-sqlite test-postgresql test-mysql test-pgbouncer lint types format bench bench-peers bench-pages screenshots translations \
	clean
.DEFAULT_GOAL = help

# Many images of Python forbid it to keep what it compiles. Tests start hundreds of processes, and each one would
# compile the package again; pytest also rewrites every assertion, anew in each of its processes.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/.demo ## Start everything in this terminal: database, sample jobs, worker, dashboard
	@$(BIN)/python -m jobsystem.environment
	@# On a terminal a job of its own: Ctrl-C is then for the demo alone, which ends well.
	@if [ -t 0 ]; then set -m; fi; $(BIN)/python manage.py quickstart; exit $$?

test: lint types test-sqlite test-postgresql test-mysql ## Run everything a change has to pass

# Neighbours stay together until a process has none left: so few of them start a browser.
test-sqlite: $(VENV)/.dev ## Run the tests on SQLite
	TEST_DATABASE=sqlite $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

test-postgresql: $(VENV)/.dev ## Run the tests on PostgreSQL: TEST_POSTGRES_URL, or one of their own
	TEST_DATABASE=postgresql $(BIN)/python -m pytest -n auto $(AGAIN) $(PYTEST)

# Exit code 75: no server that could be used, and `tests.mysql` has said why. The driver is installed
# only where one answers; then a login can be tried, too.
test-mysql: $(VENV)/.dev ## Run the tests on MySQL or MariaDB: TEST_MYSQL_URL, or one on this machine
	@$(BIN)/python -m tests.mysql && $(MAKE) --no-print-directory $(VENV)/.mysql \
		&& $(BIN)/python -m tests.mysql && echo "TEST_DATABASE=mysql" \
		&& TEST_DATABASE=mysql $(BIN)/python -m pytest -n auto $(AGAIN) $(PYTEST) $(ON_MYSQL) || [ $$? = 75 ]

test-pgbouncer: $(VENV)/.dev ## Run the tests on PostgreSQL through PgBouncer in transaction mode, Debian's package
	$(BIN)/python -m tests.pgbouncer -n auto $(AGAIN) $(PYTEST)

faults: $(VENV)/.dev ## Run every fault of the catalogue on all databases and print one table: SCALE=1 in full
	$(BIN)/python -m tests.faults --scale $(SCALE) $(FAULTS)

soak: $(VENV)/.dev ## Mix faults at random into 20,000 jobs: MINUTES=10 DATABASE=postgresql SEED=...
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --database $(DATABASE) \
		$(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/.dev ## Send 20,000 odd requests to every address: REQUESTS=20000 DATABASE=postgresql SEED=...
	$(BIN)/python -m tests.web.fuzzing --requests $(REQUESTS) --database $(DATABASE) \
		$(if $(SEED),--seed $(SEED))

lint: $(VENV)/.dev ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

format: $(VENV)/.dev ## Put code into the common format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Measure speed and cost on both databases, beside their targets
	$(BIN)/python -m bench $(BENCH)

bench-peers: $(VENV)/.dev ## Measure the same work done by this project and by its peers
	$(BIN)/python -m bench.peers $(BENCH)

bench-pages: $(VENV)/.dev ## Measure every page of the dashboard over five million finished jobs
	$(BIN)/python -m bench.pages $(BENCH)

screenshots: $(VENV)/.dev ## Take the pictures of the README anew
	TEST_DATABASE=sqlite REQUIRE_BROWSER=1 $(BIN)/python -m pytest -q tests/browser/screenshots.py

translations: $(VENV)/.dev ## Bring the files of translations up to date, and tell what is missing in them
	$(BIN)/python -m tests.translations

clean: ## Remove what make has made, but not .env and the database
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist .bench-venvs

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer with its venv module is needed" \
		"(Debian and Ubuntu: apt install python3-venv). Another one: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[postgres,server]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.mysql: pyproject.toml | $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --editable '.[mysql]' || { echo "mysqlclient could not be built:" \
		"it needs a compiler and the headers of a client library (Debian and Ubuntu:" \
		"apt install gcc pkg-config default-libmysqlclient-dev python3-dev)" >&2; exit 1; }
	@touch $@
