# Stoa. `make help` lists what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GO        ?= go
BIN       := bin
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT    ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X stoa/app.version=$(VERSION) -X stoa/app.commit=$(COMMIT)
GOLANGCI  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PACKAGES  ?= ./...

# What was built in one directory, or for one target, is not built again for
# another: nothing here is C, and the race detector alone asks for a C compiler.
export GOFLAGS := $(strip -trimpath $(filter-out -trimpath,$(GOFLAGS)))
export CGO_ENABLED := 0

.PHONY: help
help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## build and run the whole shop with demo data
	@$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/stoa
	@exec $(BIN)/stoa serve --demo $(ARGS)

.PHONY: build
build: ## build the binaries into bin/
	@$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: test
test: ## run every test there is, with the race detector where it can see; needs nothing installed
	@PACKAGES='$(PACKAGES)' GO='$(GO)' ./.ci/test

.PHONY: check
check: format vet lint test ## what CI runs: format, vet, lint, architecture and all tests

.PHONY: format
format: ## fail where a file is not formatted
	@unformatted=$$(gofmt -l app cmd configs migrations modules platform); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet
	@$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, built from its pinned version
	@$(GO) run $(GOLANGCI) run $(PACKAGES)

.PHONY: arch
arch: ## hold the tree to the arrows of the house
	@$(GO) test -count=1 ./app/architecture/...

.PHONY: bench
bench: build ## measure the shop beside its limits, about 20 minutes; ARGS='-run products,orders -rounds 5' is a part
	@$(GO) run ./app/bench $(ARGS)

.PHONY: clean
clean: ## remove what was built
	@rm -rf $(BIN) coverage.out
