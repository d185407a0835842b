#!/usr/bin/env bash
# Unpacks the programs that send telemetry in the tests (services/test/senders) below .cache/senders/root and prints that folder. They are unpacked
# and not installed: rsyslog and syslog-ng exclude each other, and none of them may run as a service of this machine. Needs no root, but lists of packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=(
  rsyslog rsyslog-gnutls rsyslog-elasticsearch libestr0 libfastjson4 liblognorm5
  syslog-ng-core libivykis0 libjson-c5 libnet1 libpcre3 libwrap0
  systemd-journal-remote libsystemd-shared libmicrohttpd12
  bsdutils prometheus victoria-metrics collectd-core libltdl7
)
dir=.cache/senders
stamp=$(printf '%s ' "${packages[@]}" | sha256sum | cut -c1-16)
if [ ! -e "$dir/$stamp" ]; then
  rm -rf "$dir"
  mkdir -p "$dir/root" "$dir/deb"
  apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -q >/dev/null
  (cd "$dir/deb" && apt-get -q download "${packages[@]}" >/dev/null)
  for deb in "$dir"/deb/*.deb; do dpkg-deb --extract "$deb" "$dir/root"; done
  rm -rf "$dir/deb"
  touch "$dir/$stamp"
fi
# OpenTelemetry's generator and Alertmanager's client are built like the other tools.
for tool in open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen prometheus/alertmanager/cmd/amtool; do
  GOWORK=off go -C deploy/tools build -o "$PWD/$dir/root/usr/bin/${tool##*/}" "github.com/$tool"
done
echo "$PWD/$dir/root"
