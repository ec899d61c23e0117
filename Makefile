# Two commands do all the set-up: `make demo` runs the main job on the shipped example, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test slow live lint bench field clean

demo: $(VENV)/.demo
	$(BIN)/hwq export examples/rings.onnx --target vivado -o build/rings --force
	$(BIN)/hwq verify build/rings --data examples/rings.npz

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

slow: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m slow

live: $(VENV)/.test .venv-live/.package
	$(BIN)/python -m pytest -m slow tests/test_quantizers_live.py tests/test_stochastic_live.py tests/test_keras_layers.py

lint: $(VENV)/.test
	$(BIN)/ruff check hwq tests examples benchmarks
	$(BIN)/ruff format --check hwq tests examples benchmarks
	$(BIN)/mypy --strict

bench: $(VENV)/.test
	$(BIN)/python benchmarks/spine.py

field: $(VENV)/.test
	$(BIN)/python benchmarks/field.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'no venv: apt-get install python3-venv'; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[headers]'
	touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[headers,plot,test]'
	touch $@

# The real package, which nothing else needs (some 2 GB).
.venv-live/.package:
	$(PYTHON) -m venv .venv-live
	.venv-live/bin/python -m pip install --quiet qkeras-v3 tensorflow-cpu pyparsing
	touch $@

clean:
	rm -rf $(VENV) .venv-live build
