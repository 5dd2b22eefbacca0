#!/bin/sh
# What `make bench-peers` runs: installs what the peers are built from, then measures all
# of them. Arguments are those of go test, as -quick. What cannot be installed
# is a line of the results.
set -eu
cd "$(dirname "$0")/.."

wanted=$(sh scripts/setup.sh --missing | grep -x -e gcc -e libc6-dev -e libusrsctp-dev -e ca-certificates || true)
# shellcheck disable=SC2086 # one word per package
[ -z "$wanted" ] || sh scripts/setup.sh --install $wanted || true
cd bench
exec go test -count=1 -timeout 30m -run '^TestPeers$' -v . "$@"
