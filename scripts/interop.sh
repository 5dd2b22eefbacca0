#!/bin/sh
# interop.sh PEER
#
# Installs and builds what a peer of e2e/interop is made of, from its own package manager
# and the versions that are pinned beside it, as far as that is not done already; then
# prints the command that runs it, one word per line. If that is not possible, the
# last line of what it writes to standard error says why.
#
# Everything goes to sluice-interop in the user's cache directory (XDG_CACHE_HOME).
set -eu
cd "$(dirname "$0")/../e2e/interop/peers"

name=$1
here=$PWD/$name
cache=${XDG_CACHE_HOME:-${HOME:-.}/.cache}/sluice-interop
mkdir -p "$cache"

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# quietly COMMAND... runs a command whose output matters only when it fails.
quietly() {
	if ! log=$("$@" </dev/null 2>&1); then
		printf '%s\n' "$log" | tail -n 40 >&2
		return 1
	fi
}

# stamp FILE... prints what stands for the content of files.
stamp() { cat "$@" | cksum | tr ' ' -; }

# with_go builds a module of Go.
with_go() {
	have go || fail "go is missing"
	cd "$here"
	quietly go build -buildvcs=false -o "$cache/$name" . || fail "its Go module cannot be fetched or built"
	printf '%s\n' "$cache/$name"
}

case "$name" in
pion) with_go ;;
*) fail "there is no peer $name" ;;
esac
