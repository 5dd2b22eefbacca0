// Package conformance runs packet scripts against the SCTP engine in virtual time.
//
// A script says, line by line and with times, what the application calls, which
// packets come in and which must go out. The language is that of packetdrill as
// extended for SCTP by its FreeBSD branch, so that suites written for kernels run
// here too:
//
//	0.0  socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3
//	+0.0 bind(3, ..., ...) = 0
//	+0.0 listen(3, 1) = 0
//	+0.0 < sctp: INIT[flgs=0, tag=1, a_rwnd=1500, os=1, is=1, tsn=1]
//	+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=3, ...]
//	+0.1 < sctp: COOKIE_ECHO[flgs=0, len=..., val=...]
//	+0.0 > sctp: COOKIE_ACK[flgs=0]
//
// [Parse] reads a script into a [Script]. [Script.Run] executes it: it knows no
// clock but the one of the script, and jumps from deadline to deadline. The first
// line that does not hold ends the run, with what was seen instead. What the engine
// or this package does not offer is reported as [Unsupported] by name; what could
// not be compared is listed in [Result.Notes].
//
// Numbers of a script are those of its author. The tester's tags and TSNs go over
// the wire as they stand; those of the engine are bound to what it chose when its
// INIT or INIT ACK is seen, and translated from then on in both directions.
//
// The package has an encoder and a decoder of its own, built on one table of
// layouts, instead of the engine's codec: a script is also a check of that codec.
package conformance
