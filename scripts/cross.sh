#!/bin/sh
# Compiles, with tests, what depends on the system for each of the others: the packages
# with sockets, and all of the stack for Windows. go vet compiles and links nothing. A
# minute and a half with an empty cache, on two processors.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

sockets="./sctp/sctpnet ./internal/udpsock ./internal/udpmux"
for system in darwin/arm64 freebsd/amd64 linux/386 linux/arm64 android/arm64 js/wasm; do
	echo "go vet for $system"
	# shellcheck disable=SC2086 # one word per package
	GOOS=${system%/*} GOARCH=${system#*/} go vet $sockets
done
echo "go vet for a browser"
GOOS=js GOARCH=wasm go build . ./datachannel ./dcep ./internal/webjs
GOOS=js GOARCH=wasm go vet ./e2e/portable
GOOS=js GOARCH=wasm go build -o /dev/null ./examples/browser-chat
echo "go vet for windows/amd64"
# shellcheck disable=SC2086
GOOS=windows GOARCH=amd64 go vet . ./datachannel $sockets
