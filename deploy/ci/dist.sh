#!/usr/bin/env bash
# Packs what is released into dist/: the agent for every platform, the server with its engine, and the hashes of all. Two runs from
# one commit give the same bytes: no paths (-trimpath), and archives in a fixed order with the commit's time.
# Arguments: the version, and the linker's flags.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:?version} ldflags=${2:-}
version=${version//[^A-Za-z0-9._-]/-}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
step() { printf '\033[1m==>\033[0m %s\n' "$1"; }
rm -rf dist && mkdir -p dist
trap 'rm -rf dist/.work' EXIT
mkdir dist/.work

# pack puts a folder of dist/.work into an archive.
pack() { tar --create --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=go-w --format=gnu -C dist/.work "$1" | gzip -n -"$2" >"dist/$1.tar.gz"; }

for platform in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do
  os=${platform%/*} arch=${platform#*/} suffix=
  [ "$os" = windows ] && suffix=.exe
  name=faultline-agent-$version-$os-$arch
  step "packing $name"
  mkdir "dist/.work/$name"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "$ldflags -X main.version=$version" -o "dist/.work/$name/faultline-agent$suffix" ./services/cmd/faultline-agent
  cp LICENSE "dist/.work/$name/"
  [ "$os" = linux ] && cp deploy/systemd/faultline-agent.service "dist/.work/$name/"
  pack "$name" 9
done

lib=$(ls deploy/engine/node_modules/@chdb/lib-*/libchdb.so 2>/dev/null | head -n 1) || true
if [ -z "$lib" ]; then
  echo 'error: the engine library is missing: run make engine' >&2
  exit 1
fi
name=faultline-$version-$(go env GOOS)-$(go env GOARCH)
step "packing $name with its engine"
mkdir "dist/.work/$name"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "dist/.work/$name/faultline" ./services/cmd/faultline
for role in gateway query correlator; do
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "dist/.work/$name/faultline-$role" "./services/cmd/faultline-$role"
done
cp "$lib" "dist/.work/$name/libchdb.so"
cp LICENSE deploy/systemd/faultline.service "dist/.work/$name/"
pack "$name" 1 # The library is most of it; better compression takes minutes and saves little.

(cd dist && sha256sum -- *.tar.gz >SHA256SUMS)
step 'made'
ls -lh dist
