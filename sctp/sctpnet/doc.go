// Package sctpnet drives an [sctp.Association] over a [net.Conn] that preserves
// messages: DTLS, connected UDP, a Unix datagram socket, net.Pipe; and many of
// them over one UDP socket (RFC 6951): [Listen], [Dial]. It adds what the engine
// leaves out: the clock, a lock, goroutines, blocking calls with contexts and
// deadlines.
//
// A [Conn] has one mutex, one goroutine that reads the transport, and one timer.
// Whoever calls into the association sends what it has to send, on the calling
// goroutine, and runs the events that it caused; nothing is handed from one
// goroutine to another per packet. Only where the transport turns out to block
// in Write, as net.Pipe does, a second goroutine takes over the sending; and calls
// that write one message after the other leave them to one, so that they share packets.
// The Conns on one UDP socket share one of each; there a call that waits for a message may
// read in place of the goroutine, so that a question and its answer wake nobody else. Where such
// calls have come one soon after the other, the socket is left to the next one for 32 ms at
// most, and an eighth of the time: then what waits in another way, Accept for
// example, waits so much longer. A
// net.Conn may bring packets on a goroutine of its own ([PacketSource]), and then the Conn
// has none; it may take and bring packets in batches ([BatchWriter], [BatchReader]), and
// protect them where they lie ([InPlaceWriter]).
//
// What the application does not read stays in the association and closes its
// receive window, so that a slow reader slows its peer. What the peer does not
// acknowledge fills the send buffer, and a full one makes WriteMessage wait.
package sctpnet
