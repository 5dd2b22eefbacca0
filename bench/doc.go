// Package bench compares sluice with its peers. It is a module of its own, so that
// what is compared with is no dependency of sluice.
//
// The tests whose names begin with TestNet run both over an emulated link, in
// virtual time: the figures do not depend on the machine. TestTransport runs over loopback,
// on Linux, and its figures depend on the machine. With -write the figures
// go to RESULTS.md, each section to its place: `make bench-net`, `make bench-transport`.
// TestInstructions counts the instructions of the hot paths under valgrind, on
// Linux, and compares them with those recorded: `make check-instructions`.
package bench
