#!/usr/bin/env bash
# Generates proto/gen anew. protoc comes from Debian, its Go plugin from deploy/tools at the pinned version.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v protoc >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends protobuf-compiler >/dev/null; }
mkdir -p .cache/bin
GOWORK=off go -C deploy/tools build -o "$PWD/.cache/bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
rm -rf proto/gen && mkdir -p proto/gen
PATH="$PWD/.cache/bin:$PATH" protoc -Iproto --go_out=proto/gen --go_opt=module=github.com/faultline-io/faultline/proto/gen $(find proto/faultline -name '*.proto')
