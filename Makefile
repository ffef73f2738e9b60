# `make run` starts a registry with a sample channel, `make test` proves it.
# Both need Go and nothing else. What the other targets need, .ci/run installs.

# go.mod asks for Go 1.27; an older Go fetches it, even where GOTOOLCHAIN=local is set.
export GOTOOLCHAIN := auto
# Pure Go: one static binary, and no C compiler is asked for (test-race alone needs one).
export CGO_ENABLED := 0
# Go keeps its caches below HOME; without a HOME they stay in the checkout.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.cache/home
endif

include tools.env

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

BIN := $(CURDIR)/.tools/bin
VENV := $(CURDIR)/.tools/venv
AXE := $(CURDIR)/.tools/axe/node_modules/axe-core/axe.min.js
# The stream of test events of each stage; .ci/judge reads it.
EVENTS := artefacts/events

GO_VERSION := $(shell awk '$$1 == "go" { print $$2 }' go.mod)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PACKAGES := ./... ./.ci/judge
# Build tags that add tests; each has a target below. The tag "crash" changes the program and is not among them.
TAGS := postgres,clients,browser,bench
# Given to every `go test`; .ci/run sets -count=1.
TESTFLAGS ?=

# A tool is a file named for its version, so a new version is built and an old one never used by mistake.
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOFUMPT := $(BIN)/gofumpt-$(GOFUMPT_VERSION)
TEMPL := $(BIN)/templ-$(TEMPL_VERSION)
GOTESTSUM := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
VERSITYGW := $(BIN)/versitygw-$(VERSITYGW_VERSION)

# install PACKAGE VERSION: built by the Go of go.mod, since a linter must not be older than what it reads.
define install
@mkdir -p $(BIN)
GOTOOLCHAIN=go$(GO_VERSION) GOBIN=$(BIN) go install $(1)@$(2)
@mv $(BIN)/$(notdir $(1)) $@
endef

# gotestsum STAGE [FORMAT]: the start of a command line; flags and packages of `go test` follow.
gotestsum = mkdir -p $(EVENTS) && $(GOTESTSUM) --format $(or $(2),pkgname) --jsonfile $(EVENTS)/$(1).json -- $(TESTFLAGS)
# tagged TAG: the packages that have tests behind a build tag.
tagged = $(sort $(shell grep -rlE --include='*_test.go' '^//go:build .*\b$(1)\b' internal cmd test 2>/dev/null | xargs -r -n1 dirname | sed 's,^,./,'))

.PHONY: run build generate fmt check test test-postgres test-clients test-browser test-race test-fuzz crash-long bench bench-small tools clean

run: build ## start a registry with the sample channel on http://127.0.0.1:8080
	exec bin/terrarium serve --sample

build: ## bin/terrarium
	go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/terrarium ./cmd/terrarium

generate: $(TEMPL) ## pages from their templates
	$(TEMPL) generate -path internal/ui

fmt: $(GOFUMPT) ## format what is written by hand
	$(GOFUMPT) -w $$(test/go-files)

check: $(GOFUMPT) $(GOLANGCI) $(TEMPL) ## format, vet, lint, generated code, shape of the tree
	@out=$$($(GOFUMPT) -l $$(test/go-files)); [ -z "$$out" ] || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }
	@test/generated $(TEMPL)
	go vet $(PACKAGES)
	go vet -tags $(TAGS) ./...
	$(GOLANGCI) run $(PACKAGES)
	go test ./internal

test: $(GOTESTSUM) ## every test that needs nothing but Go
	$(call gotestsum,test) $(PACKAGES)

test-postgres: $(GOTESTSUM) ## the same tests on PostgreSQL too, and those that only it can have
	test/with-postgres bash -c '$(call gotestsum,test-postgres) -tags postgres ./...'

test-clients: export TERRARIUM_PYTHON := $(VENV)/bin/python
test-clients: export TERRARIUM_BIN := $(CURDIR)/bin/terrarium
test-clients: $(GOTESTSUM) $(VERSITYGW) $(VENV)/done build ## stock clients against the program: SQLite and a folder, then PostgreSQL and S3
	@[ -n "$(call tagged,clients)" ] || { echo "no package has tests with the tag clients"; exit 1; }
	$(call gotestsum,test-clients-1) -tags clients -timeout 30m $(call tagged,clients)
	TERRARIUM_VERSITYGW=$(VERSITYGW) test/with-postgres bash -c '$(call gotestsum,test-clients-2) -tags clients,postgres -timeout 30m $(call tagged,clients)'

test-browser: $(GOTESTSUM) $(AXE) ## pages in Chromium, with axe; screenshots go to artefacts/
	@[ -n "$(call tagged,browser)" ] || { echo "no package has tests with the tag browser"; exit 1; }
	export TERRARIUM_AXE=$(AXE); $(call gotestsum,test-browser) -tags browser -timeout 30m $(call tagged,browser)

# The packages where goroutines share something.
RACE := $(patsubst %,./%/...,$(wildcard $(addprefix internal/,sqldb blob job http1 access account registry index web condahttp api app)))
# SQLite's translated C works on memory from mmap, which the detector never looks at (runtime/race_amd64.s: racecalladdr); calls
# of it there would cost four fifths of the stage. The driver around it, which is Go, and all else is watched.
UNWATCHED := $(foreach p,modernc.org/sqlite/lib modernc.org/libc,-gcflags=$(p)=-race=false)
test-race: export CGO_ENABLED := 1
test-race: $(GOTESTSUM) ## under the race detector
	$(call gotestsum,test-race) -race $(UNWATCHED) -timeout 30m $(RACE)

FUZZTIME ?= 20s
test-fuzz: $(GOTESTSUM) ## every fuzz target for FUZZTIME
	mkdir -p $(EVENTS) && GOTESTSUM=$(GOTESTSUM) test/fuzz $(FUZZTIME) $(EVENTS)

# What `make test` does with 30 kills. The seed of the run, which TERRARIUM_SEED takes, is in the output.
crash-long: export TERRARIUM_KILLS ?= 300
crash-long: ## the program killed 300 times under load, and what is left looked at: a quarter of an hour
	go test -count=1 -timeout 120m -run '^TestKills$$/^at_random$$' -v ./test/crash

# Both measure the rows of docs/benchmarks.md and print one table; TERRARIUM_BENCH holds the sizes of the channels. What stands
# beside is there where it is installed: nginx, and py-rattler and others in the Python that test-clients makes.
bench bench-small: export TERRARIUM_PYTHON ?= $(wildcard $(VENV)/bin/python)
bench: ## at 10,000, 100,000 and 700,000 records: one hour or two; the table goes to TERRARIUM_BENCH_OUT
	TERRARIUM_BENCH=10000,100000,700000 go test -tags bench -run Bench -bench . -benchtime 1x -v -timeout 240m $(call tagged,bench)

bench-small: $(GOTESTSUM) ## at 10,000 records, under five minutes
	@[ -n "$(call tagged,bench)" ] || { echo "no package has tests with the tag bench"; exit 1; }
	export TERRARIUM_BENCH=10000; $(call gotestsum,bench-small,standard-verbose) -tags bench -run Bench -bench . -benchtime 1x -v -timeout 10m $(call tagged,bench)

tools: $(GOLANGCI) $(GOFUMPT) $(TEMPL) $(GOTESTSUM) $(VERSITYGW) $(VENV)/done $(AXE) ## everything the targets above build for themselves

$(GOLANGCI): ; $(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION))
$(GOFUMPT): ; $(call install,mvdan.cc/gofumpt,$(GOFUMPT_VERSION))
$(TEMPL): ; $(call install,github.com/a-h/templ/cmd/templ,$(TEMPL_VERSION))
$(GOTESTSUM): ; $(call install,gotest.tools/gotestsum,$(GOTESTSUM_VERSION))
$(VERSITYGW): ; $(call install,github.com/versity/versitygw/cmd/versitygw,$(VERSITYGW_VERSION))

$(VENV)/done: test/clients/requirements.txt test/clients/constraints.txt
	test/clients/venv $(VENV)

$(AXE): tools.env
	npm install --prefix .tools/axe --no-save --no-audit --no-fund --ignore-scripts axe-core@$(AXE_VERSION)
	touch $@

clean: ## what was built; .tools stays
	rm -rf bin artefacts
