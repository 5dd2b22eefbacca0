#!/bin/sh
# each.sh PREFIX COMMAND...
#
# Runs COMMAND with the packages that have a test function PREFIX* appended.
set -eu
cd "$(dirname "$0")/.."

prefix=$1
shift
packages=$(sh scripts/find.sh "$prefix" | cut -d' ' -f1 | sort -u)
# shellcheck disable=SC2086 # one word per package
set -- "$@" $packages
echo "$*"
exec "$@"
