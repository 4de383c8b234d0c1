# make demo: set up, train the whole grid on embedded images, show the table
# make test: set up, run the everyday tests    make check: what CI runs before the slow tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GRID := model=segnet,unet,unet2,unet3 loss=bce,dice,focal,ss,bce_ss

.PHONY: demo test check slow format clean

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

demo: $(VENV)/.base
	$(BIN)/python -m segsweep.train -m experiment=demo $(GRID)

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -m "not slow"

slow: $(VENV)/.test
	$(BIN)/python -m pytest -q -m slow

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not slow"

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info
