// Package udpmux carries many connections over a few UDP sockets: STUN to the ICE
// agents, DTLS straight to the connection that it belongs to, in batches.
package udpmux
