#!/bin/sh
# What `make test` runs: installs what is missing, then every test of the module.
# Stops at the first step that fails, so that the last lines are go test's own.
set -eu
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
loud() { printf '\n!!!! sluice: %s\n\n' "$*" >&2; }

sh scripts/setup.sh
missing=$(sh scripts/setup.sh --missing)
is_missing() { printf '%s\n' "$missing" | grep -qx "$1"; }

# Stamping programs with the commit fails in a checkout that another user owns.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
packages=$(go list ./... | grep -v '/e2e\(/\|$\)')

if is_missing openssl; then loud "NO openssl: ITS TESTS ARE SKIPPED"; fi
step "tests"
# shellcheck disable=SC2086 # one word per package
go test -timeout 20m $packages

step "other systems"
sh scripts/cross.sh

step "the simulation with 32 bits"
sh scripts/sim-arch.sh 40 386

if is_missing gcc || is_missing libc6-dev; then
	loud "NO C COMPILER: THE RUN UNDER THE RACE DETECTOR IS SKIPPED"
else
	step "the same under the race detector, with a shorter simulation"
	# shellcheck disable=SC2086
	SIM_SEEDS=20 go test -race -timeout 20m $packages
fi

if ! command -v valgrind >/dev/null; then
	loud "NO valgrind: THE INSTRUCTIONS OF THE HOT PATHS ARE NOT COUNTED"
elif grep -qw avx2 /proc/cpuinfo; then
	step "instructions of the hot paths without a clock, compared with those recorded"
	sh scripts/instructions.sh -only '^(sctp|sctp/internal/wire|dcep|internal/.*):'
else
	loud "NO AVX2: THE INSTRUCTIONS OF THE HOT PATHS ARE OTHERS THAN THOSE RECORDED, AND NOT COMPARED"
fi

step "the benchmarks compile, and README.md and the pictures say what bench/RESULTS.md says"
(cd bench && go vet ./... && go test -short -count=1 .)

step "DTLS against another major version of its library"
(cd e2e/dtls3 && go test -count=1 ./...)

step "tests with browsers and other programs"
for package in chromium firefox-esr libusrsctp-dev; do
	if is_missing $package; then loud "NO $package: ITS TESTS ARE SKIPPED"; fi
done
command -v cargo >/dev/null || loud "NO cargo: THE TESTS WITH RUST PROGRAMS ARE SKIPPED"
# After everything else and one package at a time: a starved browser is a slow one.
go test -count=1 -p 1 -timeout 15m ./e2e/...
