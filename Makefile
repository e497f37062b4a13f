# `make app` and `make test` need nothing but make and a Python 3.11 or 3.12, or uv: .ci/find-python says what is missing.
# Tools are called as modules: the first line of a script in .venv/bin breaks when the folder is moved.
# -P keeps this folder off sys.path, where `datasets` would hide a library of that name.

PYTHON :=
BIN := .venv/bin/python -P

.DEFAULT_GOAL := help
.PHONY: help app test lint bench clean setup-app setup-dev

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

app: setup-app ## Open the workbench in the browser
	.venv/bin/lrerank app

test: lint ## Check style, types and import contracts, then run all tests
	OMP_NUM_THREADS=1 $(BIN) -m pytest -n auto --dist loadfile

lint: setup-dev ## Check style, types and import contracts
	$(BIN) -m ruff check
	$(BIN) -m ruff format --check
	$(BIN) -m mypy
	$(BIN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

bench: setup-dev ## Measure latency and quality (minutes)
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; .venv/bin/python "$$script" || exit 1; done

clean: ## Remove the environment, caches and builds
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-app:
	@sh .ci/setup app "$(PYTHON)"

setup-dev:
	@sh .ci/setup dev "$(PYTHON)"
