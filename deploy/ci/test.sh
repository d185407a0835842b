#!/usr/bin/env bash
# Runs every test and closes with "N passed, N failed". Each suite reports what it counted; a suite that dies counts as a failure.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
logs=.cache/test
mkdir -p "$logs"
passed=0
failed=0

step() { printf '\033[1m==>\033[0m %s\n' "$1"; }
count() { # name, exit code, passed, failed
  local f=$4
  if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
  passed=$((passed + $3))
  failed=$((failed + f))
  printf '    %s: %d passed, %d failed\n' "$1" "$3" "$f"
}

# Tests of documents and of deploy/ look at files that Go's test cache does not watch; this makes it run them again.
TREE_HASH=$(find docs deploy README.md CONTRIBUTING.md CHANGELOG.md docker-compose.yml -type f -not -path '*/node_modules/*' -exec sha256sum {} + | sort | sha256sum)
export TREE_HASH
# Alertmanager's own client, for the test that uses it.
step 'building amtool'
mkdir -p .cache/bin
GOWORK=off go -C deploy/tools build -o "$PWD/.cache/bin/amtool" github.com/prometheus/alertmanager/cmd/amtool || { echo '0 passed, 1 failed'; exit 1; }
export PATH="$PWD/.cache/bin:$PATH"
# Programs that send telemetry, for the tests that use the real ones (services/test/senders): with the variable set none may be missing.
step 'unpacking senders'
TEST_SENDERS=$(deploy/ci/senders.sh) || { echo '0 passed, 1 failed'; exit 1; }
export TEST_SENDERS
step 'Go tests (real engine, real bus, real processes)'
go test -json -p 2 -timeout 30m ./services/... ./proto/... ./web/... >"$logs/go.json" 2>"$logs/go.err"
rc=$?
grep -h '"Action":"output"' "$logs/go.json" | sed -n 's/.*"Output":"\(--- FAIL[^"]*\|FAIL[^"]*\|panic:[^"]*\|ok [^"]*\)".*/\1/p' | sed 's/\\n$//; s/\\t/  /g'
if [ $rc -ne 0 ]; then
  cat "$logs/go.err"
  # The whole output of what failed, so that the log alone explains it.
  awk -F'"Test":"' '/"Action":"fail"/ && NF>1 {split($2,a,"\""); print a[1]}' "$logs/go.json" | sort -u | head -n 20 | while read -r t; do
    echo "--- output of $t"
    grep -F "\"Test\":\"$t\"" "$logs/go.json" | sed -n 's/.*"Output":"\(.*\)"}$/\1/p' | sed 's/\\n$//; s/\\t/  /g; s/\\"/"/g' | tail -n 60
  done
  grep -h '"Action":"build-output"' "$logs/go.json" | sed -n 's/.*"Output":"\(.*\)"}$/\1/p' | head -n 40
fi
count 'Go' $rc "$(grep -c '"Action":"pass".*"Test":' "$logs/go.json")" "$(grep -c '"Action":"fail".*"Test":' "$logs/go.json")"

step 'console unit tests'
(cd web && npx vitest run --reporter=json --outputFile="../$logs/web.json" >"../$logs/web.log" 2>&1)
rc=$?
[ $rc -eq 0 ] || tail -n 60 "$logs/web.log"
field() { node -e 'try{console.log(JSON.parse(require("fs").readFileSync(process.argv[1]))[process.argv[2]]||0)}catch{console.log(0)}' "$logs/web.json" "$1"; }
count 'console' $rc "$(field numPassedTests)" "$(field numFailedTests)"

step 'browser tests against a real server'
deploy/ci/e2e.sh >"$logs/e2e.log" 2>&1
rc=$?
[ $rc -eq 0 ] || tail -n 120 "$logs/e2e.log"
count 'browser' $rc "$(sed -n 's/^# pass \([0-9]*\).*/\1/p;s/^ℹ pass \([0-9]*\).*/\1/p' "$logs/e2e.log" | tail -n 1 | grep . || echo 0)" "$(sed -n 's/^# fail \([0-9]*\).*/\1/p;s/^ℹ fail \([0-9]*\).*/\1/p' "$logs/e2e.log" | tail -n 1 | grep . || echo 0)"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
