// Package rust tests the engine and its driver against the Rust crates dcsctp (the
// SCTP of libwebrtc) and sctp-proto (that of str0m). It has only tests.
//
// The peer is a small program in testdata that the tests build with cargo, start once
// per association and drive over its standard input and output. Packets travel over
// UDP on 127.0.0.1, through an emulated network where a test asks for one. Checksums
// are always verified.
//
// Where cargo is missing, or cannot get the crates, the tests are skipped, with a line
// on standard error.
package rust
