#!/usr/bin/env bash
# Installs the Debian packages that the tests use and that are missing. Needs root only when something is missing.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v curl >/dev/null || missing+=(curl)
[ ${#missing[@]} -eq 0 ] && exit 0
printf '\033[1m==>\033[0m installing %s\n' "${missing[*]}"
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "error: please install ${missing[*]} (as root: apt-get install ${missing[*]}) and run this again" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
