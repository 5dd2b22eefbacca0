#!/bin/sh
# fuzz.sh [FUZZTIME]
#
# Runs every fuzz target of this module for FUZZTIME (default 30s) each. go test
# fuzzes one target at a time, hence the loop. Stops at the first failure: the
# input that shows it is then under testdata/fuzz of its package.
set -eu
cd "$(dirname "$0")/.."

time=${1:-30s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# out_of_time says whether all that the log complains of is that the time was over:
# up to Go 1.26 a run that ends in the middle of an input may count as failed
# (go.dev/issue/75804). A finding always comes with a failing input.
out_of_time() {
	awk '
		/^--- FAIL/ { failures++; getline; if ($0 !~ /^ *context deadline exceeded$/) other = 1 }
		/^panic:|Failing input written/ { other = 1 }
		END { exit !(failures == 1 && !other) }
	' "$log"
}

targets=$(sh scripts/find.sh Fuzz)
echo "$targets" | while read -r package target; do
	echo "== $package $target"
	status=0
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null >"$log" 2>&1 || status=$?
	cat "$log"
	[ $status = 0 ] && continue
	out_of_time || exit $status
	echo "fuzz.sh: the time was over in the middle of an input; nothing was found"
done
