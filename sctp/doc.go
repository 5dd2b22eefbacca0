// Package sctp is a sans-IO implementation of the Stream Control Transmission
// Protocol (RFC 9260) with the extensions that WebRTC data channels use:
// partial reliability (RFC 3758, RFC 7496), interleaving of messages and schedulers
// (RFC 8260), stream reconfiguration (RFC 6525), the zero checksum of SCTP over DTLS
// (RFC 9653) and set-up without a handshake (SNAP, draft-hancke-tsvwg-snap). Beside
// these there are RACK-TLP (RFC 8985), CUBIC (RFC 9438) and BBR, path MTU discovery
// (RFC 8899), ECN, NR-SACK, many associations on one UDP socket (RFC 6951, [Endpoint])
// and handover to another process. There is one path: no multi-homing.
//
// An [Association] has no clock, socket, goroutine or lock of its own. Its
// caller feeds it datagrams and the time, and carries what it wants to send:
//
//	HandlePacket(now, path, packet)  a datagram came in
//	HandleTimeout(now)               the deadline passed
//	Timeout()                        when to call HandleTimeout
//	Transmit(now, dst)               the next packet to send
//	NextEvent()                      what the application should know
//
// After any call, drain Transmit and NextEvent until they report false, then
// arm a timer for Timeout. The same configuration (its Seed included), the same
// calls and the same times give the same packets, on every machine.
//
// An Association is not safe for concurrent use. Package sctpnet drives one
// over a net.Conn with goroutines, deadlines and contexts.
package sctp
