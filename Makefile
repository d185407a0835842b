# Faultline. `make` alone prints the targets. Everything a target needs it installs itself (Debian packages as root).
SHELL       := /bin/bash -o pipefail
.DEFAULT_GOAL := help
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      ?= $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS     := -s -w -X github.com/faultline-io/faultline/services/internal/app.version=$(VERSION) -X github.com/faultline-io/faultline/services/internal/app.commit=$(COMMIT)
GO_BUILD    := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
ROLES       := gateway query correlator agent
CACHE       := .cache
ENGINE_LIB  := deploy/engine/node_modules/.package-lock.json
WEB_SOURCES := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -type f 2>/dev/null)
STEP        = @printf '\033[1m==>\033[0m %s\n'

.PHONY: help run build go-build roles dist engine web test test-go test-web e2e race lint fmt proto api bench soak check deps clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## install what is needed, build, start everything on this machine
	$(STEP) 'starting Faultline (Ctrl-C stops it)'
	@exec bin/faultline $(ARGS)

build: engine web go-build ## build bin/faultline with the console and the engine beside it

go-build:
	$(STEP) 'building bin/faultline'
	@mkdir -p bin
	@$(GO_BUILD) -o bin/faultline ./services/cmd/faultline
	@lib=$$(ls -d deploy/engine/node_modules/@chdb/lib-*/libchdb.so 2>/dev/null | head -n 1); [ -z "$$lib" ] || ln -sfn "../$$lib" bin/libchdb.so

roles: ## build one binary for each role into bin/
	@mkdir -p bin
	@for r in $(ROLES); do printf '\033[1m==>\033[0m building bin/faultline-%s\n' $$r; $(GO_BUILD) -o bin/faultline-$$r ./services/cmd/faultline-$$r || exit 1; done

dist: build roles ## agents for every platform and the engine, packed into dist/
	@deploy/ci/dist.sh '$(VERSION)' "$(LDFLAGS)"

engine: $(ENGINE_LIB) ## install the ClickHouse engine library (npm, 178 MB once)
$(ENGINE_LIB): deploy/engine/package-lock.json
	$(STEP) 'installing the ClickHouse engine (178 MB once)'
	@cd deploy/engine && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web: web/dist/index.html ## build the console into web/dist
web/node_modules/.package-lock.json: web/package-lock.json
	$(STEP) 'installing the console packages'
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	$(STEP) 'building the console'
	@cd web && npm run --silent build

deps: ## install the Debian packages that tests need
	@deploy/ci/deps.sh

test: deps build roles ## run every test: Go, console, real processes, browser
	@deploy/ci/test.sh

test-go: engine ## run the Go tests only
	@go test ./services/... ./proto/... ./web/...

test-web: web/node_modules/.package-lock.json ## run the console's unit tests only
	@cd web && npm test --silent

e2e: deps build ## run the browser tests against a real server
	@deploy/ci/e2e.sh

race: engine ## run the Go tests with the race detector
	@go test -race ./services/...

lint: web/node_modules/.package-lock.json ## vet, staticcheck, formatting, console lint, forbidden dependencies
	@deploy/ci/lint.sh

fmt: ## format the Go code
	@gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')

proto: ## generate the Go code of proto/ (needs protoc, from apt)
	@deploy/ci/proto.sh

api: ## write docs/api/openapi.yaml from the code
	@go test ./services/query/... -run OpenAPI -update

bench: build ## run the benchmarks; BENCHGEN=path of a load generator adds the ingest and query figures
	@deploy/ci/bench.sh

soak: build roles ## twenty rounds of every kill test (about an hour)
	@FAULTLINE_SOAK=20 go test ./services/test/... -run 'Kill|Delivery' -timeout 4h -v

check: lint test ## what must be clean before a change lands

clean: ## remove what was built
	@rm -rf bin dist $(CACHE)
	@find web/dist -mindepth 1 ! -name .gitkeep -delete
