#!/usr/bin/env bash
# PromQL out: runs the query set of QUERIES (lines of name, step, range in seconds, expression, with tabs between) against a running
# Faultline that has the data already, and beside it against VictoriaMetrics and Prometheus, which get the same frames.
#
#   BENCHGEN=/path/benchgen   the load generator (docs/benchmarks.md)
#   QUERIES=/path/set.tsv     the queries; QUERIES_END is the end of their ranges in Unix seconds
#   FAULTLINE_URL=http://admin:password@127.0.0.1:8080   with the frames of BENCH_METRICS, twelve minutes after they came: packed
#   BENCH_METRICS=/path       frames for the rivals
#   VICTORIAMETRICS=/path, PROMETHEUS=/path   rivals; one that is not given is left out, and said to be
#   RUNS=9                    the first of them is cold where the server was just started, the others warm
set -euo pipefail
: "${BENCHGEN:?is the load generator}" "${QUERIES:?is a file of queries}" "${QUERIES_END:?is the end of their ranges in Unix seconds}" "${FAULTLINE_URL:?is the server with the data}"
dir=$(mktemp -d)
pid=
stop() { [ -z "$pid" ] || { kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; }; pid=; }
trap 'stop; rm -rf "$dir"' EXIT
await() { for _ in $(seq 1 150); do curl -fsS -o /dev/null "$1" 2>/dev/null && return; sleep 0.2; done; echo "no answer from $1" >&2; exit 1; }
ask() { # label, base, pid, more arguments
  "$BENCHGEN" query -base "$2" -q "$QUERIES" -end "$QUERIES_END" -n "${RUNS:-9}" -pid "$3" -label "$1" ${4:+-extra "$4"}
}

ask faultline "$FAULTLINE_URL" "${FAULTLINE_PID:-$$}"
ask 'faultline, plan=off' "$FAULTLINE_URL" "${FAULTLINE_PID:-$$}" plan=off

if [ -n "${VICTORIAMETRICS:-}" ]; then
  "$VICTORIAMETRICS" -storageDataPath "$dir/vm" -httpListenAddr 127.0.0.1:18428 -retentionPeriod 100y >"$dir/vm.log" 2>&1 &
  pid=$!
  await http://127.0.0.1:18428/health
  "$BENCHGEN" push -dir "${BENCH_METRICS:?is the frames}" -url http://127.0.0.1:18428/api/v1/write -pid "$pid" -label victoriametrics
  curl -fsS -o /dev/null http://127.0.0.1:18428/internal/force_flush
  ask victoriametrics http://127.0.0.1:18428 "$pid" nocache=1
  stop
else
  echo 'VICTORIAMETRICS is not set: not in this run'
fi

if [ -n "${PROMETHEUS:-}" ]; then
  echo 'global: {}' >"$dir/prometheus.yml"
  "$PROMETHEUS" --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/prometheus" --web.listen-address=127.0.0.1:19090 --web.enable-remote-write-receiver \
    --storage.tsdb.retention.time=100y --query.max-samples=100000000 >"$dir/prometheus.log" 2>&1 &
  pid=$!
  await http://127.0.0.1:19090/-/ready
  "$BENCHGEN" push -dir "${BENCH_METRICS:?is the frames}" -url http://127.0.0.1:19090/api/v1/write -pid "$pid" -label prometheus
  ask prometheus http://127.0.0.1:19090 "$pid"
  stop
else
  echo 'PROMETHEUS is not set: not in this run'
fi
