# Two commands: `make demo` does the study in small, `make test` checks everything.
# Both need Python 3.11 or later with venv, and nothing else.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test help

help:
	@echo "make demo   install, make data, train, evaluate, fit and draw sweeps/demo.yaml"
	@echo "make test   install and run every check"

# The environment: versions come from constraints.txt, so that a fresh clone gets what was tested.
.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $$($(PYTHON) --version) is too old; try make PYTHON=python3.11" >&2; exit 2; }
	@echo "installing into .venv (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt pip
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt \
	  --config-settings editable_mode=compat -e .
	@touch $@

.venv/.ready-dev: .venv/.ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --group dev
	@touch $@

# The commands a user would type, one after the other; safe to interrupt and to repeat.
demo: .venv/.ready
	@began=$$(date +%s); set -e; \
	$(BIN)/sweep plan sweeps/demo.yaml; \
	$(BIN)/sweep data make sweeps/demo.yaml; \
	$(BIN)/sweep launch sweeps/demo.yaml; \
	$(BIN)/sweep results sweeps/demo.yaml; \
	$(BIN)/sweep fit sweeps/demo.yaml; \
	$(BIN)/sweep figures sweeps/demo.yaml; \
	$(BIN)/sweep report sweeps/demo.yaml; \
	echo "make demo: planned, trained, evaluated, fitted and drew sweeps/demo.yaml in" \
	  "$$(( ($$(date +%s) - began) / 60 )) min $$(( ($$(date +%s) - began) % 60 )) s;" \
	  "open results/demo/report.html"

test: .venv/.ready-dev
	@began=$$(date +%s); set -e; \
	$(BIN)/ruff format --check .; \
	$(BIN)/ruff check .; \
	$(BIN)/pyright; \
	$(BIN)/pytest -n 2 --dist loadgroup; \
	for study in sweeps/*.yaml; do $(BIN)/sweep plan $$study > /dev/null; done; \
	skipped=; $(BIN)/sweep cluster up --accounting --dry-run > /dev/null 2>&1 || \
	  skipped=" (without Slurm, which is not installed: its tests were skipped)"; \
	echo "make test: format, lint, types, tests$$skipped and the plans of $$(ls sweeps/*.yaml | wc -l)" \
	  "studies are well, in $$(( $$(date +%s) - began )) s"
