# The two commands: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all

.PHONY: venv demo test test-all lint envs reference bench growth

venv: .venv/ready

# --compile-bytecode: every job imports torch, and compiling it anew each time costs seconds.
.venv/ready: envs/requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; try make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -r envs/requirements.txt
	$(BIN)/uv pip install --python $(BIN)/python --no-deps -e .
	$(BIN)/python -c "import torch, torchvision; torchvision.ops.nms"
	touch $@

demo: venv
	$(BIN)/snakemake --cores $(CORES) --quiet rules -- demo
	$(BIN)/python -m nodal.report demo

test: venv
	$(BIN)/python -m pytest

test-all: venv
	$(BIN)/python -m pytest -m ""

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

envs: venv
	$(BIN)/python -m nodal.environment

reference: venv
	$(BIN)/python -m nodal.reference

bench: venv
	$(BIN)/python benchmarks/measurement.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/readouts.py
	$(BIN)/python benchmarks/datasets.py

growth: venv
	$(BIN)/python benchmarks/growth.py
