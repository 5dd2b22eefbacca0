// Package interop runs every capability of data channels between this stack and each
// other that can be installed, and writes the outcome to e2e/RESULTS.md: browsers,
// libraries in Go, Rust, C++, TypeScript and Python. It has only tests.
//
// A peer is a program in peers/NAME that scripts/interop.sh installs and builds, or a page
// in a browser. All of them, and this stack, carry out the same few commands and
// report the same few events, so that a case is written once, for two sides:
//
//   - a program reads commands from standard input and writes replies and events to
//     standard output, one JSON object per line; a command has an id and exactly one reply
//     with that id, which may be late, and has a member error if it failed;
//   - it has at most one connection at a time, whose number (pc) every event carries;
//   - its first line is the event ready, with name and version; it ends with its input.
//
// The commands:
//
//	new     pc                          make a connection, closing the one before
//	offer                               reply sdp: the local offer, with all candidates
//	answer  sdp                         take an offer; reply sdp: the answer, likewise
//	accept  sdp                         take an answer
//	open    label, protocol, ordered,   create a channel; absent limits: none; stream is the
//	        maxRetransmits,             identifier, with negotiated
//	        maxPacketLifeTime,
//	        negotiated, stream
//	send    label, from, count, size,   send messages payload(from), payload(from+1), ...;
//	        text                        reply when the library has taken them
//	check   label                       what comes in is checked from now on, not reported: the
//	                                    n-th binary message has to be payload(n); a text
//	                                    message ends it
//	bulk    label, size, ms             send payload(0), payload(1), ... for that time, with
//	                                    about 1 MiB buffered at most, then the text "end";
//	                                    reply sent: how many before the end
//	close   label                       close a channel
//	end                                 close the connection
//
// The events, all with pc:
//
//	open     label, protocol, stream, incoming, negotiated, ordered, maxRetransmits,
//	         maxPacketLifeTime          a channel can be used; what the library cannot tell is
//	                                    left out
//	message  label, text, size, crc     what came, with the CRC-32 of its bytes
//	checked  label, received, wrong     the binary messages until the end came
//	close    label                      a channel is closed
//	state    state                      the connection's state, in W3C's words
//
// Payloads follow from a number, see payload.
//
// Everything happens in a network namespace, where that is permitted. Loss is
// made by a relay between the two sides, which signalling tells them is the other's address.
//
// A peer that cannot be installed is skipped, and a row of the table that says so.
package interop
