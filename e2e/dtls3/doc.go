// Package dtls3 tests our DTLS against a later major version of the library that runs
// our handshakes, which has fixed much of what SECURITY.md lists. It is a module of its
// own, so that this version is no dependency of sluice.
package dtls3
