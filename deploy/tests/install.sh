#!/usr/bin/env bash
# Installs what the full test suite uses beyond npm's packages: OpenBLAS, BLIS, Chromium, faketime, the tools of hosts of
# namespaces, and an emulator of arm64 with its libraries from Debian, numpy from PyPI.
# Without them `npm test` still runs, and lists what it could not run and why.
set -euo pipefail
cd "$(dirname "$0")/../.."

sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"

missing=()
wanted=(libopenblas0-pthread libblis4-pthread chromium faketime python3 iproute2 procps openssl systemd unzip xxd)
if [ "$(dpkg --print-architecture)" = amd64 ]; then
  wanted+=(qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross libatomic1-arm64-cross)
fi
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# A folder of the project's own, so that no other Python environment changes.
if ! PYTHONPATH=.test-tools/python python3 -c 'import numpy' 2>/dev/null; then
  python3 -m pip install --quiet --target .test-tools/python 'numpy==2.3.5' \
    || python3 -m pip install --quiet --break-system-packages --target .test-tools/python 'numpy==1.26.4'
fi
