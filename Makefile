# make demo: set up, train the whole grid on embedded images, show the table
# make test: set up, run the everyday tests     make check: what must pass before a commit
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARALLEL := -n 2
# slow tests wait for other processes much of their time
WAITING := -n 3
GRID := model=segnet,unet,unet2,unet3 loss=bce,dice,focal,ss,bce_ss

.PHONY: demo test lint docs check slow figures format clean dist try-dist

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@

$(VENV)/.slow: $(VENV)/.test
	$(BIN)/python -m pip install --quiet -e '.[test,docs,joblib,submitit,ray,cmaes,postgresql]'
	touch $@

$(VENV)/.docs: $(VENV)/.base
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	touch $@

demo: $(VENV)/.base
	$(BIN)/python -m segsweep.train -m experiment=demo $(GRID)

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -m "not slow" $(PARALLEL) --dist worksteal

slow: $(VENV)/.slow
	$(BIN)/python -m pytest -q -m slow $(WAITING) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# the documentation as a site, in site/; a link that leads nowhere is an error
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: lint test

# the figures of README.md, measured and drawn again; on an idle machine
figures: $(VENV)/.slow
	$(BIN)/python benchmarks/figures.py

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the sdist, and the wheel built from it
dist:
	rm -rf dist build/tool
	$(PYTHON) -m venv build/tool
	build/tool/bin/python -m pip install --quiet build
	build/tool/bin/python -m build --outdir dist .

# the wheel in an environment that holds nothing else
EMPTY := build/empty
try-dist: dist
	$(PYTHON) -m venv --clear $(EMPTY)
	$(EMPTY)/bin/python -m pip install --quiet dist/*.whl
	tests/try_installed.sh $(EMPTY)/bin

clean:
	rm -rf $(VENV) build dist site *.egg-info
