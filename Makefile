# The two commands: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
INSTALL := $(BIN)/uv pip install --python $(BIN)/python
FAILED := { $(PYTHON) envs/check.py after $(VENV); exit 1; }

.PHONY: venv dev demo test test-all lint envs reference bench growth mutants

venv: $(VENV)/ready

dev: $(VENV)/dev

# --compile-bytecode: every job imports torch, and compiling it anew each time costs seconds.
$(VENV)/ready: envs/requirements.txt pyproject.toml
	@$(PYTHON) envs/check.py before $(VENV)
	$(PYTHON) -m venv $(VENV) || $(FAILED)
	$(BIN)/python -m pip install --quiet uv || $(FAILED)
	$(INSTALL) --compile-bytecode -r envs/requirements.txt || $(FAILED)
	$(INSTALL) --no-deps -e . || $(FAILED)
	$(BIN)/python -c "import torch, torchvision; torchvision.ops.nms"
	touch $@

$(VENV)/dev: $(VENV)/ready envs/dev.txt envs/optional.txt
	$(INSTALL) -r envs/dev.txt -r envs/optional.txt || $(FAILED)
	touch $@

demo: venv
	$(BIN)/snakemake --cores $(CORES) --quiet rules -- demo
	$(BIN)/nodal report demo

# Two processes: each of more would first load torch.
test: dev
	$(BIN)/python -m pytest -n 2

test-all: dev
	$(BIN)/python -m pytest -m ""

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

envs: venv
	$(BIN)/python -m nodal.pipeline.environment

reference: venv
	$(BIN)/python -m nodal.pipeline.reference

bench: dev
	$(BIN)/python benchmarks/datasets.py
	$(BIN)/python benchmarks/bench.py

growth: dev
	$(BIN)/python benchmarks/growth.py

# Breaks the measurement in SIZE places, drawn by SEED, and asks the fast tests; half an hour.
SEED ?= 0
SIZE ?= 520
mutants: dev
	$(BIN)/python tests/mutation/mutants.py --seed $(SEED) --size $(SIZE)
