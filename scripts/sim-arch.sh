#!/bin/sh
# sim-arch.sh [SEEDS [ARCH...]]
#
# Holds that a seed of the simulation means the same on every architecture: runs SEEDS
# seeds (default 300) of the engine's simulation on this machine and on each ARCH
# (default 386 and arm64; the latter under qemu-user, which is installed if it may be),
# and compares the hashes of all packets, calls and events.
set -eu
cd "$(dirname "$0")/.."

seeds=${1:-300}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 386 arm64

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
loud() { printf '\n!!!! sluice: %s\n\n' "$*" >&2; }

# emulator prints the command that runs programs for an architecture here, if one is
# needed; it fails if there is none.
emulator() {
	case "$(go env GOHOSTARCH)/$1" in
	amd64/386 | "$1/$1") ;;
	*/arm64) command -v qemu-aarch64 || command -v qemu-aarch64-static || return 1 ;;
	*/386) command -v qemu-i386 || command -v qemu-i386-static || return 1 ;;
	*) return 1 ;;
	esac
}

# hashes ARCH COMMAND... runs the seeds and leaves their hashes in a file.
hashes() {
	arch=$1
	shift
	(cd sctp && SIM_HASHES=$dir/$arch SIM_SEEDS=$seeds "$@" "$dir/$arch.test" -test.run '^TestSimulationHashes$' -test.timeout 1h)
}

build() { CGO_ENABLED=0 GOARCH=$1 go test -c -o "$dir/$1.test" ./sctp; }

here=$(go env GOHOSTARCH)
build "$here"
hashes "$here"
for arch in "$@"; do
	if ! run=$(emulator "$arch"); then
		sh scripts/setup.sh --install qemu-user || true
		if ! run=$(emulator "$arch"); then
			loud "NO EMULATOR FOR $arch: NOT COMPARED"
			[ "${CI:-}" = true ] && exit 1
			continue
		fi
	fi
	build "$arch"
	# A kernel may refuse programs of 32 bits.
	if ! ${run:+"$run"} "$dir/$arch.test" -test.list '^$' >/dev/null; then
		loud "PROGRAMS FOR $arch DO NOT RUN HERE: NOT COMPARED"
		continue
	fi
	hashes "$arch" ${run:+"$run"}
	if ! diff "$dir/$here" "$dir/$arch"; then
		loud "a seed means something else on $arch than on $here"
		exit 1
	fi
	echo "$arch: $(wc -l <"$dir/$arch") seeds as on $here"
done
