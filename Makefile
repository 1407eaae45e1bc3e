# pg_lifecycle: `make help` lists the targets. Building and installing need python3 and pg_config only;
# everything else works in .venv, which is made here on first use.

EXTENSION  = extension/pg_lifecycle
DATA       = $(sort $(wildcard extension/pg_lifecycle--*.sql))
PG_CONFIG ?= pg_config
PYTHON    ?= python3
SERVER    ?=

VENV := .venv
RUN   = $(VENV)/bin/python -m pg_lifecycle
BARE  = PYTHONPATH=python PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pg_lifecycle

.DEFAULT_GOAL := help
.PHONY: help build demo test lint bench docs dist clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo '  make install    install into the server of PG_CONFIG=$(PG_CONFIG); uninstall takes it away'
	@echo '  SERVER=docker|local|embedded|dsn:... chooses the server of demo and bench, PYTHON=... the python3'

build: ## generate the extension script from sql/
	@$(BARE) build

demo: $(VENV)/ready ## run the coaching example on a server of its own
	@$(RUN) demo $(if $(SERVER),--server $(SERVER))

test: $(VENV)/ready ## lint, then test on every PostgreSQL that can be had here
	@$(RUN) test

lint: $(VENV)/ready ## check sources, bodies, layout, house rules, Python
	@$(RUN) lint

bench: $(VENV)/ready ## measure, and print the ratios
	@$(if $(SERVER),PG_LIFECYCLE_SERVER=$(SERVER)) $(VENV)/bin/pytest -q -s tests/bench

docs: $(VENV)/ready ## generate docs/reference.md from the comments of the sources
	@$(RUN) docs

dist: ## plain-SQL, pg_tle and PGXN bundles, into dist/
	@$(BARE) dist

clean: ## remove what was generated and is not committed
	rm -rf dist build .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv
	rm -rf $(VENV) python/*.egg-info

$(VENV)/ready: python/pyproject.toml python/make_venv.py
	@$(PYTHON) python/make_venv.py
	@touch $@

# PGXS only where a server is meant: its rules would shadow `clean` and ask every target for a pg_config.
ifneq (,$(filter all install uninstall installdirs,$(MAKECMDGOALS)))
all: build
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
endif
