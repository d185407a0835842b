#!/usr/bin/env bash
# Starts the all-in-one on free ports with an empty data folder, runs the browser tests against it, stops it by its own id.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
http=127.0.0.1:$(port) grpc=127.0.0.1:$(port) otlp=127.0.0.1:$(port)
bin/faultline --data-dir "$dir/data" --http-addr "$http" --otlp-grpc-addr "$grpc" --otlp-http-addr "$otlp" >"$dir/server.log" 2>&1 &
pid=$!
stop() {
  rc=$?
  kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
  [ $rc -eq 0 ] || { echo '--- server log'; tail -n 80 "$dir/server.log"; }
  rm -rf "$dir"
  exit $rc
}
trap stop EXIT
for _ in $(seq 1 300); do
  curl -fsS -o /dev/null "http://$http/-/ready" 2>/dev/null && break
  kill -0 "$pid" 2>/dev/null || { echo 'the server ended before it was ready'; exit 1; }
  sleep 0.2
done
curl -fsS -o /dev/null "http://$http/-/ready"
export FAULTLINE_URL="http://$http" FAULTLINE_OTLP_URL="http://$otlp" FAULTLINE_PASSWORD_FILE="$dir/data/admin-password" SCREENSHOT_DIR="${SCREENSHOT_DIR:-$PWD/.cache/screenshots}"
mkdir -p "$SCREENSHOT_DIR"
cd web && npm run --silent e2e
