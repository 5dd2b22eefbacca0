// Package udpmux carries many connections over a few UDP sockets: STUN to the ICE
// agents, DTLS straight to the connection that it belongs to, in batches.
//
// A Mux has ports, each a socket with a local address of its own. A Session is one
// connection: it receives datagrams on a callback of the ports' reading goroutines, and
// writes to the path that ICE selected. An Agent is what the ICE agent of one generation
// sees of a Session: a net.PacketConn for each port, with STUN only.
//
// Whose a STUN request is, the user fragment in it says. Everything else belongs to the
// sessions that have a claim on the address it comes from: because their agent checks
// it, or because a check from there passed, which the agent's answer shows. What strangers
// send is counted and forgotten.
package udpmux
