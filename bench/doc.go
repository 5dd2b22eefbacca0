// Package bench compares sluice with its peers. It is a module of its own, so that
// what is compared with is no dependency of sluice.
//
// The tests whose names begin with TestNet run both over an emulated link, in
// virtual time: the figures do not depend on the machine. TestTransport runs over loopback,
// on Linux, and its figures depend on the machine. So do those of TestPeers, which builds a
// program of each peer (peer, testdata/usrsctp.c, testdata/rust) and has it do the same
// work; with -quick it only tries them all. TestBrowsers
// moves messages from and to the browsers on this machine; TestScale has up to 100,000
// associations on one Endpoint. With -write the figures
// go to RESULTS.md, each section to its place: `make bench-net`, `make bench-transport`,
// `make bench-browsers`, `make bench-scale`, `make bench-peers`. The pictures, and the table in README.md, are drawn from what is in RESULTS.md.
//
// TestSmallDevices builds the programs of bench/small for small devices and holds
// them to a limit: `make bench-small`.
// TestInstructions counts the instructions of the hot paths under valgrind, on
// Linux, and compares them with those recorded: `make check-instructions`.
package bench
