# Shoal: the targets a newcomer needs. `make` alone lists them.

GO     ?= go
FILE   ?= testdata/sample.mp4
ARGS   ?=
BINARY := bin/shoal

# A clone owned by another user must build too, so no git is asked for the stamp.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help run build web api test test-go test-browser setup bench mutate fmt vet fuzz cross clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make run FILE=/any/path ARGS='--listen :9000' shares that file or folder instead."

run: build ## build everything and share a sample video (Go and Node are needed)
	@exec $(BINARY) share "$(FILE)" $(ARGS)

build: web ## write bin/shoal
	$(GO) build -trimpath -ldflags '-s -w' -o $(BINARY) ./cmd/shoal

web: ## build the web assets and the WebAssembly engine, with the Node packages they are made of
	$(GO) run ./internal/dev/webbuild

api: web ## write docs/api.md from the types of the page API
	$(GO) run ./internal/dev/apidoc

setup: ## install what the tests need, or say what is missing
	$(GO) run ./internal/dev/setup

test: setup build ## run everything: formatting, vet, all platforms, unit, browser and foreign-client tests
	$(GO) run ./internal/dev/testsum

test-go: web ## run the tests that need nothing but Go and Node
	$(GO) run ./internal/dev/testsum fmt vet go web

test-browser: setup build ## run the end-to-end tests: browser and foreign clients (RUN=regexp picks some)
	$(GO) run ./internal/dev/testsum -run '$(RUN)' e2e

bench: setup build ## measure, side by side with the rivals, and print a table
	$(GO) run ./internal/dev/bench $(ARGS)

mutate: web ## change the code a little, a hundred times, and print what no test notices
	nice $(GO) run ./internal/dev/mutate $(ARGS)

fmt: ## format the Go sources
	gofmt -l -w $$(git ls-files --cached --others --exclude-standard '*.go')

vet: web ## run go vet
	$(GO) vet ./...

fuzz: ## fuzz every parser for a while (TIME=30s each)
	$(GO) run ./internal/dev/testsum -fuzztime '$(or $(TIME),30s)' fuzz

cross: web ## compile for every platform
	$(GO) run ./internal/dev/testsum cross

clean: ## remove what the build and the tests wrote
	rm -rf bin test/out test/node_modules test/bundlers/node_modules web/node_modules web/lib
	find web/dist -mindepth 1 ! -name .keep -delete
