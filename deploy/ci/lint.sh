#!/usr/bin/env bash
# Formatting, vet, staticcheck, console lint, and what each role binary must not link.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
rc=0
fail() { printf 'lint: %s\n' "$1" >&2; rc=1; }
step() { printf '\033[1m==>\033[0m %s\n' "$1"; }

step 'gofmt'
bad=$(gofmt -l $(git ls-files '*.go' | grep -v '\.pb\.go$'))
[ -z "$bad" ] || fail "not formatted: $bad"
step 'go vet'
# stdmethods would have Prometheus' iterator interface (Seek) look like io.Seeker.
go vet -stdmethods=false ./services/... ./proto/... ./web/... || fail 'go vet'
step 'staticcheck'
mkdir -p .cache/bin
GOWORK=off go -C deploy/tools build -o "$PWD/.cache/bin/staticcheck" honnef.co/go/tools/cmd/staticcheck && .cache/bin/staticcheck ./services/... || fail 'staticcheck'
step 'forbidden dependencies'
deny() { # binary, pattern
  hit=$(go list -deps "./services/cmd/$1" | grep -E "$2" | head -n 3)
  [ -z "$hit" ] || fail "$1 links $hit"
}
deny faultline-agent 'nats-io/nats-server|ClickHouse/|gin-gonic|ebitengine/purego|VictoriaMetrics/VictoriaMetrics|prometheus/prometheus/'
for b in faultline-gateway faultline-query faultline-correlator; do
  deny "$b" 'nats-io/nats-server|ebitengine/purego'
done
for os in linux/arm64 darwin/arm64 windows/amd64; do
  CGO_ENABLED=0 GOOS=${os%/*} GOARCH=${os#*/} go build -o /dev/null ./services/cmd/faultline-agent || fail "faultline-agent does not build for $os"
done
step 'modules stand alone'
for m in proto web services; do (cd $m && GOWORK=off go build ./...) || fail "module $m does not build alone"; done
step 'console lint'
(cd web && npm run --silent lint) || fail 'console lint'
exit $rc
