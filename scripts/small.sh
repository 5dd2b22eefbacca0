#!/bin/sh
# small.sh
#
# Sizes and memory of programs for small devices: bench/RESULTS.md. Installs qemu-user,
# which runs those for other processors, if it may.
set -eu
cd "$(dirname "$0")/.."

command -v qemu-arm >/dev/null || sh scripts/setup.sh --install qemu-user
cd bench
exec go test -count=1 -timeout 30m -run '^TestSmallDevices$' -v . -small -write
