// Package usrsctp tests the engine and its driver against usrsctp, the SCTP
// implementation that libdatachannel and older browsers use. It has only tests.
//
// The peer is a small program in testdata that the tests build with cc against
// Debian's libusrsctp-dev, start once per association and drive over its standard
// input and output. Packets travel over UDP on 127.0.0.1, through an emulated
// network where a test asks for one. Checksums are always verified, on both sides.
//
// Where the compiler or the library is missing the tests are skipped, with a line
// on standard error, unless the environment says CI=true: then they fail.
package usrsctp
