#!/usr/bin/env bash
# Benchmarks. Always: the Go benchmarks of the hot paths, and each protocol into a running all-in-one with the server's CPU by process
# (BENCH_ITEMS of each). VICTORIAMETRICS=/path runs it beside, on the protocols that it speaks. With BENCHGEN=/path/to/benchgen and data
# (see docs/benchmarks.md) also long pushes of remote write and Loki frames. BENCH_ONLY=go|protocols|frames runs one part, and
# BENCH_ONLY=queries a set of PromQL queries (bench-queries.sh says what it needs).
set -euo pipefail
cd "$(dirname "$0")/../.."
step() { printf '\033[1m==>\033[0m %s\n' "$1"; }

only=${BENCH_ONLY:-all}
[ "$only" != queries ] || exec deploy/ci/bench-queries.sh
want() { [ "$only" = all ] || [ "$only" = "$1" ]; }

if want go; then
  step 'Go benchmarks'
go test -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-1s}" ./services/correlator/... ./services/internal/bus/ ./services/internal/store/pack/ ./services/internal/logshape/ ./services/query/warm/ ./services/gateway/... 2>&1 | grep -E '^(Benchmark|pkg:)'
fi

dir=$(mktemp -d)
pids=()
stop() { for p in "${pids[@]}"; do kill -INT "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done; rm -rf "$dir"; }
trap stop EXIT
cpu() { local t=0; for p in "$@"; do t=$((t + $(awk '{print $14+$15}' "/proc/$p/stat" 2>/dev/null || echo 0))); done; echo "$t"; }
children() { pgrep -P "$1" || true; }
await() { for _ in $(seq 1 300); do curl -fsS -o /dev/null "$1" 2>/dev/null && return; sleep 0.2; done; echo "$1 does not answer" >&2; return 1; }

# Each protocol in turn: protocol, target, share of BENCH_ITEMS in percent.
ours='remote_write http://127.0.0.1:18080/api/v1/write 200
otlp_metrics http://127.0.0.1:14318/v1/metrics 200
influx http://127.0.0.1:18080/influx/write 100
datadog http://127.0.0.1:18080/datadog/api/v2/series 100
graphite 127.0.0.1:12003 100
statsd 127.0.0.1:18125 100
otlp_logs http://127.0.0.1:14318/v1/logs 100
loki http://127.0.0.1:18080/loki/api/v1/push 100
elastic http://127.0.0.1:18080/elastic/_bulk 100
jsonline http://127.0.0.1:18080/insert/jsonline 100
hec http://127.0.0.1:18080/services/collector/event 100
syslog 127.0.0.1:15514 100
otlp_traces http://127.0.0.1:14318/v1/traces 20
zipkin http://127.0.0.1:18080/zipkin/api/v2/spans 20'
rivals='remote_write http://127.0.0.1:18428/api/v1/write 200
otlp_metrics http://127.0.0.1:18428/opentelemetry/v1/metrics 200
influx http://127.0.0.1:18428/influx/write 100
datadog http://127.0.0.1:18428/datadog/api/v2/series 100
graphite 127.0.0.1:12004 100'
items=${BENCH_ITEMS:-1000000}
# each LIST LABEL PIDS [FLAG...]: a protocol that fails is named and the others go on.
each() {
  local list=$1 label=$2 procs=$3
  shift 3
  while read -r protocol target percent; do
    "$dir/protoload" -protocol "$protocol" -target "$target" -items $((items * percent / 100)) -label "$label" -pids "$procs" "$@" || true
  done <<<"$list"
}
serve() { # name, flag...
  local name=$1
  shift
  bin/faultline --data-dir "$dir/$name" --http-addr 127.0.0.1:18080 --otlp-grpc-addr 127.0.0.1:14317 --otlp-http-addr 127.0.0.1:14318 --agent-enabled=false \
    --receivers-graphite-addr 127.0.0.1:12003 --receivers-statsd-addr 127.0.0.1:18125 --receivers-syslog-addr 127.0.0.1:15514 "$@" >"$dir/$name.log" 2>&1 &
  main=$!
  pids+=("$main")
  await http://127.0.0.1:18080/-/ready
  engine=$(children "$main" | head -n 1)
  ledger=(-ledger http://127.0.0.1:18080/api/v1/ledger -user "admin:$(cat "$dir/$name/admin-password")")
}
unserve() { kill -INT "$main" && wait "$main" || true; pids=(); }

if want protocols; then
  go build -o "$dir/protoload" ./services/test/protoload
  step 'every protocol'
  serve protocols
  each "$ours" faultline "process=$main,engine=$engine" "${ledger[@]}"
  unserve
  step 'the same with every batch flushed to the disk before it is answered (nats_sync: always)'
  serve always --nats-sync always
  each "$(grep -E '^(remote_write|otlp_logs) ' <<<"$ours")" 'faultline, always' "process=$main,engine=$engine" "${ledger[@]}"
  unserve
  if [ -n "${VICTORIAMETRICS:-}" ]; then
    step 'VictoriaMetrics'
    "$VICTORIAMETRICS" -storageDataPath "$dir/vm-protocols" -httpListenAddr 127.0.0.1:18428 -graphiteListenAddr 127.0.0.1:12004 -retentionPeriod 100y >"$dir/vm.log" 2>&1 &
    vm=$!
    pids+=("$vm")
    await http://127.0.0.1:18428/health
    each "$rivals" victoriametrics "process=$vm"
    kill -INT "$vm" && wait "$vm" || true
    pids=()
  else
    echo 'VICTORIAMETRICS is not set: no rival in this run'
  fi
fi

want frames || exit 0
if [ -z "${BENCHGEN:-}" ]; then
  echo 'BENCHGEN is not set: the long pushes are left out (docs/benchmarks.md says how to get it)'
  exit 0
fi

metrics=${BENCH_METRICS:-$dir/metrics}
[ -d "$metrics" ] || { step 'generating metrics'; "$BENCHGEN" gen-metrics -hosts "${BENCH_HOSTS:-100}" -hours "${BENCH_HOURS:-2}" -out "$metrics"; }
logs=${BENCH_LOGS:-$dir/logs}
[ -d "$logs" ] || { step 'generating logs'; "$BENCHGEN" gen-logs -hosts 40 -mb "${BENCH_LOG_MB:-500}" -out "$logs"; }

step 'Faultline'
serve faultline
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
  await http://127.0.0.1:18428/health
  "$BENCHGEN" push -dir "$metrics" -url http://127.0.0.1:18428/api/v1/write -pid "$vm" -label victoriametrics
else
  echo 'VICTORIAMETRICS is not set: no rival in this run'
fi
