# Needs Python 3.11+ and make. Everything goes into virtual environments in this folder; uv is used when it is there.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
DATA ?=
BROKER ?=
ENGINE ?=
ARGS ?=
comma := ,

KAFKA := $(filter kafka:%,$(BROKER))
RUN_EXTRAS := ui$(if $(KAFKA),$(comma)kafka)
ALL_EXTRAS := kafka,registry,spark,ui,otel,dev
BENCH_EXTRAS := $(ALL_EXTRAS),bench
BIN := .venv/bin
RUN_STAMP := .venv/installed-run$(if $(KAFKA),-kafka)
ALL_STAMP := .venv/installed-all
BENCH_STAMP := .venv/installed-bench
DECLARED := pyproject.toml requirements.lock
# Each library is used by one of these: `check-lowest` asks whether its oldest version has what is used, not all there is.
LOWEST := $(addprefix tests/,test_settings.py test_telemetry.py datasets api/test_resources.py api/test_server.py ui broker \
	cli/test_contract.py cli/test_stage_metrics.py engines/spark/test_one_task.py)

# One more than there are cores, since many tests wait. Tests that share a broker, a cluster or a browser stay together.
TEST_PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN || echo 2) + 1)
SPREAD = -n $(TEST_PROCESSES) --maxprocesses 5 --dist loadgroup --no-loadscope-reorder

# From Python 3.12 on coverage costs next to nothing.
TRACER = $(shell $(BIN)/python -c 'import sys; print("COVERAGE_CORE=sysmon" if sys.version_info >= (3, 12) else "")')

.PHONY: help venv run kafka test test-fast crash-test compose-test check check-lowest docs dist sbom clean
.DELETE_ON_ERROR:

help:  ## say what can be made
	@sed -n 's/^bench-%/bench-NAME/; s/^\([a-zNAME-]*\):.*## /make \1\t/p' Makefile | expand -t 20

venv: $(ALL_STAMP)  ## make .venv with everything for working on reelstream

run: $(if $(filter spark,$(ENGINE)),$(ALL_STAMP),$(RUN_STAMP))  ## run the whole pipeline: make run [DATA=folder] [BROKER=url] [ENGINE=spark] [ARGS="--until-set 3"]
	@$(BIN)/reelstream run $(if $(DATA),--data '$(DATA)') $(if $(BROKER),--broker '$(BROKER)') \
		$(if $(ENGINE),--engine '$(ENGINE)') $(ARGS)

kafka: $(if $(shell command -v mvn),,$(ALL_STAMP))  ## start a Kafka broker on 127.0.0.1:9092, until Ctrl-C; needs Java 17
	@python=$(BIN)/python; test -x $$python || python='$(PYTHON)'; exec $$python tools/local_kafka.py $(ARGS)

test: $(ALL_STAMP)  ## run all tests; fails under 90 % line coverage
	$(BIN)/coverage erase
	$(TRACER) $(BIN)/coverage run -m pytest $(SPREAD) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

test-fast: $(ALL_STAMP)  ## run the tests that need neither Java nor a browser and are not slow
	$(BIN)/pytest -q $(SPREAD) -m 'not java and not browser and not slow' $(ARGS)

crash-test: $(ALL_STAMP)  ## kill everything on a real Kafka, 30 times at random as well; print the crash matrix
	$(BIN)/pytest -q tests/crash/test_kafka_faults.py --kills 30 --ratings 300000 $(ARGS)

compose-test: $(ALL_STAMP)  ## build the images and run the whole stack in containers; needs a running Docker engine
	@docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 || \
		{ echo 'make compose-test needs a running Docker engine with Compose: start it first' >&2; exit 2; }
	$(BIN)/pytest tests/compose/stack.py $(ARGS)

check: $(ALL_STAMP)  ## formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check-lowest:  ## some tests on the oldest Python and libraries that pyproject.toml allows; needs uv
	@command -v uv >/dev/null || { echo 'make check-lowest needs uv, which finds the oldest versions: install it first' >&2; exit 2; }
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT HUP INT TERM && \
		uv venv --quiet --python 3.11 "$$folder/venv" && \
		uv pip install --quiet --python "$$folder/venv/bin/python" --resolution lowest-direct --editable '.[$(ALL_EXTRAS)]' && \
		NUMBA_CACHE_DIR="$$folder/numba" "$$folder/venv/bin/python" -m pytest -q -p no:cacheprovider -W error::UserWarning $(LOWEST) $(ARGS)

bench-%: $(ALL_STAMP)  ## run benchmarks/NAME.py; its result lands in benchmarks/results/NAME.json
	$(BIN)/python benchmarks/$*.py $(ARGS)

bench-accuracy bench-training: $(BENCH_STAMP)  # they need the libraries that reelstream is compared with

docs: $(ALL_STAMP)  ## build the documentation into site/
	$(BIN)/python tools/command_tables.py
	$(BIN)/python tools/problem_types.py
	$(BIN)/mkdocs build --strict

dist: $(ALL_STAMP)  ## build wheel and sdist into dist/; the same source gives the same bytes
	@rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

# Of the wheel alone in an environment of its own: what the developer has installed is no part of the release.
sbom: dist  ## write dist/sbom.cdx.json and dist/licenses.md: every dependency of the wheel, with version and licence
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT HUP INT TERM && \
		'$(PYTHON)' -m venv "$$folder/release" && '$(PYTHON)' -m venv "$$folder/tools" && \
		"$$folder/release/bin/python" -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
			"$$(echo dist/*.whl)[ui,kafka]" && \
		"$$folder/release/bin/python" -m pip uninstall --quiet --yes pip setuptools && \
		"$$folder/tools/bin/python" -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-licenses && \
		"$$folder/tools/bin/cyclonedx-py" environment --output-reproducible --pyproject pyproject.toml \
			--output-file dist/sbom.cdx.json "$$folder/release/bin/python" && \
		"$$folder/tools/bin/pip-licenses" --python "$$folder/release/bin/python" --from mixed --format markdown \
			--with-urls --output-file dist/licenses.md

clean:  ## remove the virtual environment and caches, never a work folder
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* site dist

# One environment: `run` puts into it what running needs, `venv` adds the rest.
$(ALL_STAMP): $(DECLARED)
	$(call install,$(ALL_EXTRAS))
	@touch .venv/installed-run .venv/installed-run-kafka $@

$(RUN_STAMP): $(DECLARED)
	$(call install,$(RUN_EXTRAS))
	@touch $@

$(BENCH_STAMP): $(ALL_STAMP)
	$(call install,$(BENCH_EXTRAS))
	@touch $@

define install
	@test -n '$(PYTHON)' || { echo 'reelstream needs Python 3.11 or newer: install it, or name it with PYTHON=...' >&2; exit 2; }
	@echo 'installing what is needed into .venv, once: this takes a minute or two' >&2
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --quiet --python '$(PYTHON)' .venv; \
		uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[$(1)]'; \
	else \
		test -x $(BIN)/python || '$(PYTHON)' -m venv .venv || { rm -rf .venv; exit 2; }; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[$(1)]'; \
	fi
endef
