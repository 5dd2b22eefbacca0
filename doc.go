// Package sluice is a WebRTC data-channel stack: ICE and DTLS below, its own
// SCTP and data channels above.
//
// Two objects lead to a data channel. A Transport needs no SDP: both sides
// exchange TransportParameters, as JSON, by any signalling. A PeerConnection
// speaks offer and answer as browsers do. Both hand out *datachannel.Channel.
//
// With GOOS=js a PeerConnection and its channels are the browser's own, with the same
// methods, so that one program runs on both sides. A Transport, a UDPMux, and a
// datachannel.Session over a net.Conn, are not there. Fields of Config that would
// restrict what the browser does are refused with a *ConfigError, those that tune it are
// ignored (Config.SCTP, MaxMessageSize, timeouts, .local names). What waits for the
// browser must not be called on the goroutine of a js.Func. And a browser takes in
// whatever the peer sends: see package datachannel. Workers have no RTCPeerConnection, in any
// browser: there NewPeerConnection returns errors.ErrUnsupported.
//
// Nothing is logged unless Config.Logger is set. Every Close may be called more
// than once, from any goroutine and in any state, and leaves no socket open.
package sluice
