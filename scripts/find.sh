#!/bin/sh
# find.sh PREFIX
#
# Prints "./directory FunctionName" for every test function of this module whose
# name starts with PREFIX, and fails if there is none: a target that finds nothing
# to run is a mistake, not a success.
set -eu
cd "$(dirname "$0")/.."

found=$(grep -rEo --include='*_test.go' --exclude-dir=testdata --exclude-dir=node_modules \
	"^func $1[A-Za-z0-9_]*" . |
	sed -E 's|^(.*)/[^/]*_test\.go:func (.*)$|\1 \2|' |
	while read -r dir name; do
		# A directory with a go.mod of its own is another module.
		case "$dir" in ./bench | ./bench/*) continue ;; esac
		echo "$dir $name"
	done | sort -u)
if [ -z "$found" ]; then
	echo "find.sh: no function $1* in any test file" >&2
	exit 1
fi
echo "$found"
