#!/bin/sh
# instructions.sh [-write] [-against TREE] [-only REGEXP]
#
# Counts the instructions of the hot paths under valgrind, which is installed if it may
# be, and compares them with bench/RESULTS.md, or with another working tree. Fails where
# a path takes 10 % more; with -write it records instead.
set -eu
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
	sh scripts/setup.sh --install valgrind || true
	if ! command -v valgrind >/dev/null; then
		printf '\n!!!! sluice: NO valgrind: INSTRUCTIONS ARE NOT COUNTED\n\n' >&2
		[ "${CI:-}" = true ] && exit 1
		exit 0
	fi
fi
cd bench
exec go test -count=1 -timeout 30m -run '^TestInstructions$' -v . -instructions "$@"
