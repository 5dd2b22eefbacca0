#!/bin/sh
# interop.sh PEER
#
# Installs and builds what a peer of e2e/interop is made of, from its own package manager
# and the versions that are pinned beside it, as far as that is not done already; then
# prints the command that runs it, one word per line. If that is not possible, the
# last line of what it writes to standard error says why.
#
# Everything goes to sluice-interop in the user's cache directory (XDG_CACHE_HOME). What was installed
# for other versions goes when it was not used for 30 days.
set -eu
cd "$(dirname "$0")/../e2e/interop/peers"

name=$1
here=$PWD/$name
cache=${XDG_CACHE_HOME:-${HOME:?is not set, nor is XDG_CACHE_HOME}/.cache}/sluice-interop
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

# used DIR notes that an installation is used, and removes those of the same peer that no longer are.
used() {
	touch "$1/done"
	find "$cache" -maxdepth 2 -path "$cache/$name-*/done" -mtime +30 -exec dirname {} \; | while read -r old; do
		rm -rf "$old"
	done
}

# with_go builds a module of Go.
with_go() {
	have go || fail "go is missing"
	cd "$here"
	quietly go build -buildvcs=false -o "$cache/$name" . || fail "its Go module cannot be fetched or built"
	printf '%s\n' "$cache/$name"
}

# with_node installs packages from npm.
with_node() {
	have node || fail "node is missing (Debian: nodejs)"
	have npm || fail "npm is missing (Debian: npm)"
	dir=$cache/$name-$(stamp "$here/package-lock.json")
	if [ ! -e "$dir/done" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		cp "$here/package.json" "$here/package-lock.json" "$dir"
		quietly npm ci --silent --no-audit --no-fund --prefix "$dir" || fail "npm cannot install its packages"
	fi
	used "$dir"
	printf '%s\n' env "NODE_PATH=$dir/node_modules" node "$here/peer.js"
}

# with_python installs packages from PyPI in an environment of their own.
with_python() {
	have python3 || fail "python3 is missing"
	dir=$cache/$name-$(stamp "$here/requirements.txt")
	if [ ! -e "$dir/done" ]; then
		rm -rf "$dir"
		quietly python3 -m venv "$dir" || fail "python3 cannot make an environment (Debian: python3-venv)"
		quietly "$dir/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" || fail "pip cannot install its packages"
	fi
	used "$dir"
	printf '%s\n' "$dir/bin/python3" "$here/peer.py"
}

# with_cargo builds a crate of Rust, with the versions of its Cargo.lock.
with_cargo() {
	have cargo || fail "cargo is missing"
	export CARGO_TARGET_DIR="$cache/$name-target" CARGO_INCREMENTAL=0
	quietly cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" || fail "its crates cannot be fetched or built"
	printf '%s\n' "$CARGO_TARGET_DIR/release/$name-peer"
}

case "$name" in
pion) with_go ;;
wrtc | werift | node-datachannel) with_node ;;
aiortc) with_python ;;
str0m | webrtc-rs) with_cargo ;;
*) fail "there is no peer $name" ;;
esac
