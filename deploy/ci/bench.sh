#!/usr/bin/env bash
# Benchmarks. Always: the Go benchmarks of the hot paths. With BENCHGEN=/path/to/benchgen and data (see docs/benchmarks.md) also the
# whole way: remote write and Loki push into a running all-in-one, with the server's CPU by process, and VICTORIAMETRICS=/path beside it.
set -euo pipefail
cd "$(dirname "$0")/../.."
step() { printf '\033[1m==>\033[0m %s\n' "$1"; }

step 'Go benchmarks'
go test -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-1s}" ./services/internal/bus/ ./services/internal/store/pack/ ./services/internal/logshape/ ./services/gateway/... 2>&1 | grep -E '^(Benchmark|pkg:)'

if [ -z "${BENCHGEN:-}" ]; then
  echo 'BENCHGEN is not set: the ingest figures are left out (docs/benchmarks.md says how to get them)'
  exit 0
fi

dir=$(mktemp -d)
pids=()
stop() { for p in "${pids[@]}"; do kill -INT "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done; rm -rf "$dir"; }
trap stop EXIT
cpu() { local t=0; for p in "$@"; do t=$((t + $(awk '{print $14+$15}' "/proc/$p/stat" 2>/dev/null || echo 0))); done; echo "$t"; }
children() { pgrep -P "$1" || true; }

metrics=${BENCH_METRICS:-$dir/metrics}
[ -d "$metrics" ] || { step 'generating metrics'; "$BENCHGEN" gen-metrics -hosts "${BENCH_HOSTS:-100}" -hours "${BENCH_HOURS:-2}" -out "$metrics"; }
logs=${BENCH_LOGS:-$dir/logs}
[ -d "$logs" ] || { step 'generating logs'; "$BENCHGEN" gen-logs -hosts 40 -mb "${BENCH_LOG_MB:-500}" -out "$logs"; }

step 'Faultline'
bin/faultline --data-dir "$dir/faultline" --http-addr 127.0.0.1:18080 --otlp-grpc-addr 127.0.0.1:14317 --otlp-http-addr 127.0.0.1:14318 --agent-enabled=false >"$dir/faultline.log" 2>&1 &
main=$!
pids+=("$main")
for _ in $(seq 1 150); do curl -fsS -o /dev/null http://127.0.0.1:18080/-/ready 2>/dev/null && break; sleep 0.2; done
engine=$(children "$main" | head -n 1)
run() { # title, items key, command...
  local title=$1; shift
  local a b c d
  a=$(cpu "$main"); b=$(cpu "$engine")
  "$@" | tee "$dir/out.json"
  # What was accepted is not done until the writer has stored it.
  for _ in $(seq 1 600); do
    pending=$(curl -fsS -u "admin:$(cat "$dir/faultline/admin-password")" http://127.0.0.1:18080/api/v1/ledger | sed -n 's/.*"pending_messages":\([1-9][0-9]*\).*/\1/p')
    [ -z "$pending" ] && break
    sleep 0.2
  done
  c=$(cpu "$main"); d=$(cpu "$engine")
  items=$(sed -n 's/.*"items":\([0-9]*\).*/\1/p' "$dir/out.json")
  awk -v t="$title" -v i="$items" -v m=$((c - a)) -v e=$((d - b)) 'BEGIN {printf "%s: %d items; CPU s per million: process %.3f, engine %.3f, together %.3f\n", t, i, m/100/i*1e6, e/100/i*1e6, (m+e)/100/i*1e6}'
}
run 'remote write' "$BENCHGEN" push -dir "$metrics" -url http://127.0.0.1:18080/api/v1/write -pid "$main" -label faultline
run 'Loki push' "$BENCHGEN" push -dir "$logs" -url http://127.0.0.1:18080/loki/api/v1/push -pid "$main" -label faultline

if [ -n "${VICTORIAMETRICS:-}" ]; then
  step 'VictoriaMetrics'
  "$VICTORIAMETRICS" -storageDataPath "$dir/vm" -httpListenAddr 127.0.0.1:18428 -retentionPeriod 100y >"$dir/vm.log" 2>&1 &
  vm=$!
  pids+=("$vm")
  for _ in $(seq 1 100); do curl -fsS -o /dev/null http://127.0.0.1:18428/health 2>/dev/null && break; sleep 0.1; done
  "$BENCHGEN" push -dir "$metrics" -url http://127.0.0.1:18428/api/v1/write -pid "$vm" -label victoriametrics
else
  echo 'VICTORIAMETRICS is not set: no rival in this run'
fi
