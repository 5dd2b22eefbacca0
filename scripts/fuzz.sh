#!/bin/sh
# fuzz.sh [FUZZTIME]
#
# Runs every fuzz target of this module for FUZZTIME (default 30s) each. go test
# fuzzes one target at a time, hence the loop. Stops at the first failure: the
# input that shows it is then under testdata/fuzz of its package.
set -eu
cd "$(dirname "$0")/.."

targets=$(sh scripts/find.sh Fuzz)
echo "$targets" | while read -r package target; do
	echo "== $package $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-30s}" "$package" </dev/null
done
