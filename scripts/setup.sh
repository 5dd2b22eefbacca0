#!/bin/sh
# Installs what the tests need beside Go and git, with apt-get, and says what.
# What is there already is left alone. Where installing is impossible (no root, no
# apt) it says which tests will be skipped; with CI=true it fails instead.
#
# setup.sh --missing installs nothing and prints the packages that are missing;
# setup.sh --install PACKAGE... installs these.
set -u

say() { printf 'sluice: setup: %s\n' "$*"; }
loud() { printf '\n!!!! sluice: setup: %s\n\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# browser PATH NAME... says whether package e2e/browser will find one: the program
# that a variable names, or one of the names.
browser() {
	[ -n "$1" ] && return
	shift
	for name in "$@"; do
		have "$name" && return
	done
	return 1
}

# missing prints one line per Debian package that is needed and not there.
missing() {
	browser "${SLUICE_CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome || echo chromium
	browser "${SLUICE_FIREFOX:-}" firefox-esr firefox || echo firefox-esr
	if ! have gcc; then
		echo gcc
		echo libc6-dev
	elif ! echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1; then
		echo libc6-dev
	fi
	echo '#include <usrsctp.h>' | gcc -E - >/dev/null 2>&1 || echo libusrsctp-dev
	have make || echo make
	have openssl || echo openssl
	have turnserver || echo coturn
	# Without them neither Go modules nor packages come over TLS.
	[ -n "${SSL_CERT_FILE:-}${SSL_CERT_DIR:-}" ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

# missing_peers is the same for peers of e2e/interop, without which a row of a table says
# that it is missing, for network namespaces, without which tests run outside or not at all, and
# for what counts instructions.
missing_peers() {
	have node || echo nodejs
	have npm || echo npm
	python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
	have ip || echo iproute2
	have valgrind || echo valgrind
}

reason() {
	case "$1" in
	nodejs | npm) echo "interop with libraries in Node" ;;
	python3-venv) echo "interop with a library in Python" ;;
	iproute2) echo "network namespaces" ;;
	valgrind) echo "the instructions of the hot paths" ;;
	chromium | firefox-esr) echo "the browser tests" ;;
	gcc | libc6-dev) echo "the race detector and the usrsctp tests" ;;
	libusrsctp-dev) echo "the usrsctp tests" ;;
	make) echo "the Makefile" ;;
	coturn) echo "the tests of STUN and TURN" ;;
	openssl) echo "the tests of DTLS against OpenSSL" ;;
	ca-certificates) echo "downloads over TLS" ;;
	esac
}

# root prints the command that runs another one as root, or fails.
root() {
	if [ "$(id -u)" = 0 ]; then echo env; return; fi
	have sudo && sudo -n true 2>/dev/null && echo "sudo env"
}

install() {
	as_root=$(root) || { loud "not root, and no sudo without a password: nothing installed"; return 1; }
	have apt-get || { loud "there is no apt-get here: nothing installed"; return 1; }
	apt="$as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300"
	say "apt-get update"
	$apt update </dev/null || say "apt-get update failed, trying with the lists that are there"
	for package in "$@"; do
		say "apt-get install $package"
		# apt is wordy; its output matters only when it fails.
		if ! log=$($apt install -y --no-install-recommends "$package" </dev/null 2>&1); then
			printf '%s\n' "$log" >&2
		fi
	done
}

if [ "${1:-}" = --install ]; then
	shift
	install "$@"
	exit
fi

if [ "${1:-}" = --missing ]; then
	missing
	exit 0
fi
wanted="$(missing) $(missing_peers)"
# shellcheck disable=SC2086 # words
set -- $wanted
if [ $# = 0 ]; then
	say "browsers, build tools and peers are there, nothing to install"
	exit 0
fi
say "missing here, to be installed with apt-get:"
for package in "$@"; do
	say "  $package, for $(reason "$package")"
done
install "$@"

for package in $(missing_peers); do
	loud "MISSING: $package, for $(reason "$package"): WHAT NEEDS IT IS SKIPPED"
done
left=$(missing)
[ -z "$left" ] && exit 0
for package in $left; do
	loud "MISSING: $package, for $(reason "$package")"
done
if [ "${CI:-}" = true ]; then
	loud "CI=true: that is a failure"
	exit 1
fi
loud "going on without: WHAT NEEDS IT IS SKIPPED"
