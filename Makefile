# `make` alone lists what can be made.
PYTHON ?= python3
BIN := .venv/bin

help:  ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

.venv/packages: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "The book needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 book"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "This Python lacks the venv module; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv; this takes a minute or two."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	@touch $@

# Apart, since this needs no network, and pyproject.toml has settings that concern no package.
.venv/ready: .venv/packages pyproject.toml
	@$(BIN)/pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

book: .venv/ready  ## render the book to _build/html
	$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output . --all -W -n --keep-going --quiet
	@echo "Open $(CURDIR)/_build/html/index.html"

test: .venv/ready  ## run every check: style, helpers, notebooks and their outputs, pages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pytest

lab: .venv/ready  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir book

refresh: .venv/ready  ## re-execute the notebooks and store their outputs; some: make refresh NOTEBOOKS=book/vanilla.ipynb
	$(BIN)/python tools/refresh.py $(NOTEBOOKS)

spread: .venv/ready  ## measure how far outputs move under other conditions, and set the tolerances from it
	$(BIN)/python tools/spread.py $(NOTEBOOKS)

faults: .venv/ready  ## plant faults in copies of the repository and see each caught; some: make faults FAULTS=rows-exchanged
	$(BIN)/python tools/faults.py $(FAULTS)

.venv-mutants/ready: benchmarks/requirements-mutants.txt | .venv/ready
	@$(BIN)/python -m venv --clear .venv-mutants
	@.venv-mutants/bin/pip install --quiet --require-hashes -r benchmarks/requirements-mutants.txt
	@touch $@

mutants: .venv/ready .venv-mutants/ready  ## change the helpers in small ways and see their tests notice; some: make mutants MUTANTS="metrics --resume"
	$(BIN)/python tools/mutants.py $(MUTANTS)

screens: book  ## take pictures of all pages, both themes and two widths
	$(BIN)/python tools/screenshots.py

pdf: book  ## print the book as one PDF, with answers and solutions in appendices
	$(BIN)/python tools/pdf.py

.venv-bench/ready: benchmarks/requirements.txt | .venv/ready
	@echo "Setting up .venv-bench, with JAX and PyTorch; this takes some minutes."
	@$(BIN)/python -m venv --clear .venv-bench
	@.venv-bench/bin/pip install --quiet --require-hashes -r benchmarks/requirements.txt
	@touch $@

bench: .venv/ready .venv-bench/ready  ## time training, sweeps, and what one would use instead
	$(BIN)/python benchmarks/step_parts.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/sweep_speed.py
	PYTHONPATH=. .venv-bench/bin/python benchmarks/training_speed.py

.venv-floors/ready: tests/requirements-floors.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "The oldest versions are tested on the oldest Python: make PYTHON=python3.11 floors"; exit 1; }
	@echo "Setting up .venv-floors, with the oldest versions; this takes a minute or two."
	@$(PYTHON) -m venv --clear .venv-floors
	@.venv-floors/bin/pip install --quiet --require-hashes -r tests/requirements-floors.txt
	@.venv-floors/bin/pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# Compiled code is shared only with the locked version of TensorFlow, with which it was tried.
floors: .venv-floors/ready  ## test the helpers and run the notebooks with the oldest versions that pyproject.toml allows
	.venv-floors/bin/python -m pytest -p no:shared_compilations $(wildcard $(patsubst aehelpers/%.py,tests/test_%.py,$(wildcard aehelpers/*.py))) \
		tests/test_init.py $(wildcard tests/test_bad_*.py) tests/test_right_answers.py
	.venv-floors/bin/python -m pytest -p no:shared_compilations -p no:notebook_outputs --nbval-lax book

lock: .venv/ready  ## lock the newest versions that pyproject.toml allows, and the oldest for `make floors`
	$(BIN)/uv pip compile pyproject.toml --extra book --universal --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --quiet --output-file requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra bench --constraint requirements.txt --universal \
		--generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --quiet --output-file benchmarks/requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra book --resolution lowest-direct --python-version 3.11 \
		--universal --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --quiet --output-file tests/requirements-floors.txt
	$(BIN)/uv pip compile --group mutants --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --quiet --output-file benchmarks/requirements-mutants.txt

audit: .venv/ready .venv-bench/ready .venv-mutants/ready  ## list the licences of all packages in licences.csv, and look for known vulnerabilities
	$(BIN)/python tools/licences.py
	@$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip \
		--requirement requirements.txt --requirement benchmarks/requirements.txt \
		--requirement benchmarks/requirements-mutants.txt \
		|| { echo "Not passed: pip-audit found what it lists; or, if it ends with an error, it could not ask pypi.org, and nothing was audited."; exit 1; }

clean:  ## delete what was built, and the environments, which need a network to come back
	rm -rf .venv .venv-bench .venv-floors .venv-mutants _build .hypothesis .pytest_cache .ruff_cache

.PHONY: help book test lab refresh spread faults mutants screens pdf bench floors lock audit clean
