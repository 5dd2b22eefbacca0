// Package bench compares sluice with its peers. It is a module of its own, so that
// what is compared with is no dependency of sluice.
//
// The tests whose names begin with TestNet run both over an emulated link, in
// virtual time: the figures do not depend on the machine. With -write they go
// to RESULTS.md; `make bench-net` does that.
package bench
