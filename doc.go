// Package sluice is a WebRTC data-channel stack: ICE and DTLS below, its own
// SCTP and data channels above.
//
// Two objects lead to a data channel. A Transport needs no SDP: both sides
// exchange TransportParameters, as JSON, by any signalling. A PeerConnection
// speaks offer and answer as browsers do. Both hand out *datachannel.Channel.
//
// Nothing is logged unless Config.Logger is set. Every Close may be called more
// than once, from any goroutine and in any state, and leaves no socket open.
package sluice
