// Package wire encodes and decodes SCTP packets: the common header, every
// chunk, parameter and error cause of RFC 9260 and of the extensions that this
// module knows, the serial numbers they carry, and the CRC32c.
//
// Decoding is a view: nothing is copied or allocated, and a decoded value is
// valid as long as the packet it came from. Encoding appends to the caller's
// buffer. There is one parser for each format, and nothing looks at bytes
// that it has not accepted.
//
// A packet is walked by iterators, and what they return is decoded by the
// method named after the format, which fails on another type and on a length
// that the format does not allow:
//
//	it := packet.Chunks()
//	for c, ok := it.Next(); ok; c, ok = it.Next() {
//		if c.Type() == TypeSack {
//			s, err := c.Sack()
//			...
//
// A chunk of parameters or causes is built between Begin and End, with the
// length that the buffer had before: padding is counted from there, wherever in
// the buffer the chunk lies.
//
//	start := len(b)
//	b = BeginInit(b, TypeInit, in)
//	b = AppendParam(b, start, ParamForwardTSN, nil)
//	b = EndChunk(b, start)
//
// # Where each format is
//
//	packet.go       common header, packet
//	crc.go          CRC32c
//	serial.go       TSN, SSN, MID, FSN, request numbers
//	tlv.go          what chunks, parameters and causes have in common
//	chunk.go        chunk types, chunk header
//	param.go        parameter types, parameter header, lists in parameters
//	cause.go        error causes, all of them
//	data.go         DATA
//	idata.go        I-DATA
//	init.go         INIT, INIT ACK
//	initparam.go    their parameters that are no addresses: Unrecognized Parameter,
//	                Cookie Preservative, Supported Address Types, ECN Capable,
//	                Zero Checksum Acceptable, Supported Extensions,
//	                Forward-TSN-Supported, Adaptation Layer
//	address.go      IPv4, IPv6 and Host Name Address parameters
//	cookie.go       State Cookie parameter, COOKIE ECHO, COOKIE ACK
//	sack.go         SACK
//	nrsack.go       NR-SACK
//	heartbeat.go    HEARTBEAT, HEARTBEAT ACK, Heartbeat Info parameter
//	abort.go        ABORT, ERROR
//	shutdown.go     SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE
//	ecn.go          ECNE, CWR
//	forward.go      FORWARD-TSN
//	iforward.go     I-FORWARD-TSN
//	reconfig.go     RE-CONFIG and its parameters
//	auth.go         AUTH; parameters RANDOM, CHUNKS, HMAC-ALGO
//	asconf.go       ASCONF, ASCONF-ACK and their parameters
//	pad.go          PAD chunk and parameter
package wire

import "encoding/binary"

// be is the byte order of everything in SCTP but the checksum.
var be = binary.BigEndian
