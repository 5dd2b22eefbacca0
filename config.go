package sluice

import (
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Config configures a Transport or a PeerConnection. The zero value works: host
// candidates on all interfaces but loopback, a fresh certificate, no logging.
type Config struct {
	// ICEServers are the STUN and TURN servers to ask for candidates. Default none. SetICEServers
	// replaces them later.
	ICEServers []ICEServer

	// ICEServerRoots are the certificate authorities by which TURN servers over TLS
	// are verified. Default nil: those of the system.
	ICEServerRoots *x509.CertPool

	// ICETransportPolicy restricts the candidates: "all" (the default when
	// empty), or "relay" for those of TURN servers only.
	ICETransportPolicy ICETransportPolicy

	// NetworkTypes are the kinds of network to gather on: "udp4", "udp6", "tcp4",
	// "tcp6". Default both of UDP. With TCP (RFC 6544) ports listen for the peer, and
	// the peer's that listen are connected to; a path over TCP takes what UDP cannot,
	// but is slower.
	NetworkTypes []string

	// IncludeLoopback gathers candidates on loopback interfaces, too.
	IncludeLoopback bool

	// InterfaceFilter and IPFilter, if set, keep the interfaces and addresses
	// for which they return true. They are called while candidates are gathered, on goroutines
	// of the connection's own, and may call its methods but Close, which waits for them.
	InterfaceFilter func(name string) bool
	IPFilter        func(ip net.IP) bool

	// PortMin and PortMax bound the local UDP ports, both included. Default: any
	// ephemeral port.
	PortMin, PortMax uint16

	// UDPMux carries this connection over sockets that it shares with others, all
	// on one port. The host candidates are then those of the UDPMux, as far as NetworkTypes
	// and IPFilter let them pass; TURN servers are spoken to over sockets of their own. Default
	// nil: sockets of this connection alone.
	UDPMux *UDPMux

	// PublicAddresses are the public addresses of local ones, where a NAT maps the one to the
	// other and leaves port numbers as they are (1:1 NAT), as clouds have it. Host candidates at such a
	// local address are announced with the public one in its place, over UDP, a UDPMux and TCP, and no STUN server is
	// needed to find it out; one that is asked nevertheless says nothing new. The local address
	// is not announced: peers within the private network, too, must reach the public one.
	//
	// The keys are addresses of the UDPMux or, without one and for TCP, of interfaces; those that are
	// not here are announced as they are. No two have the same public address. Sockets are bound to the local
	// addresses, IPFilter is asked about these, and statistics tell them. Default none.
	PublicAddresses map[netip.Addr]netip.Addr

	// DisableMulticastDNS ignores remote candidates with a .local name, which
	// browsers send in place of addresses; by default the name is resolved.
	DisableMulticastDNS bool

	// HideHostAddresses puts .local names into host candidates in place of addresses
	// of this host, as browsers do; the peer resolves them by multicast DNS, which
	// goes no further than the local network. What the peer sees of the packets it
	// sees all the same. Those of PublicAddresses are not hidden. Default off.
	HideHostAddresses bool

	// ICELite makes this side ICE-lite (RFC 8445, section 2.5): only for a host
	// with a public address. It answers checks and sends none.
	ICELite bool

	// ICEUfragPrefix is what the ICE user fragments of this side begin with: from it a
	// load balancer in front of several processes, on one address, knows whose the first
	// packets of a peer are. At most 32 letters, digits, + or /. Default none.
	ICEUfragPrefix string

	// ICEDisconnectedTimeout is the silence after which ICE counts as
	// disconnected, if a check goes unanswered in it. Default 5 s. This and the other
	// timeouts here are at most 24 hours.
	ICEDisconnectedTimeout time.Duration

	// ICEFailedTimeout is the time after that, or the time of checking beyond
	// ICEDisconnectedTimeout, after which ICE has failed. Default 35 s: together
	// not before the 39.5 s of RFC 8863. Once connected ICE also fails, and nothing
	// more is sent, 30 s after the peer last answered a check (RFC 7675).
	ICEFailedTimeout time.Duration

	// ICEKeepaliveInterval is the time between checks of the selected pair, each
	// time changed by up to a fifth. Default 5 s; RFC 7675, section 5.1, allows
	// not less, but tests may set it down to 1 ms.
	ICEKeepaliveInterval time.Duration

	// HandshakeTimeout bounds the DTLS handshake. Default 30 s.
	HandshakeTimeout time.Duration

	// DTLSRole is what this side of a Transport insists on: client or server.
	// Default auto, which leaves it to both sides' parameters. A PeerConnection
	// negotiates the role.
	DTLSRole DTLSRole

	// Certificate is the identity to present. Default: a fresh ECDSA P-256
	// certificate for each connection.
	Certificate *Certificate

	// MaxMessageSize is the largest message accepted from the peer, in bytes, and
	// is announced to it. Negative is any size, announced as 0; see
	// datachannel.Config.MaxMessageSize. Default 262144.
	MaxMessageSize int

	// MaxBufferedAmount bounds what a channel's Send queues, in bytes. Default:
	// that of package datachannel.
	MaxBufferedAmount int

	// SCTP overrides parameters of the association. Seed, checksum and RemotePort are
	// set by the transport, LocalPort is announced to the peer; timeouts default to the browsers' 500 ms
	// initial and 400 ms minimum.
	SCTP sctp.Config

	// DisableSNAP leaves the SCTP handshake on the wire. By default each side
	// announces the INIT of its association (a=sctp-init in SDP, SCTPInit in
	// TransportParameters; draft-hancke-tsvwg-snap), and where both do there is no
	// handshake: channels open two round trips earlier.
	DisableSNAP bool

	// DisableDSCP sends all packets with the default codepoint of Differentiated Services.
	// By default they are marked as RFC 8837, section 5, has it for the greatest priority of
	// the open channels that this side created (datachannel.Init.Priority), which for
	// normal priority is the default codepoint, too. That holds for UDP, TCP and what goes to TURN
	// servers, which may not keep the mark.
	DisableDSCP bool

	// DTLSFalseStart has the DTLS client send data together with its Finished, one
	// round trip before that of the server comes (RFC 7918), so that with an SCTP
	// handshake on the wire channels open one round trip earlier. Cipher suites, key
	// exchange and certificates are such that only the authenticated server can read
	// that data, but RFC 8827, section 6.5, forbids it to WebRTC endpoints. Default false.
	DTLSFalseStart bool

	// PlainTransport leaves the data to the DTLS and ICE libraries rather than to our own
	// record protection and batched sockets: slower, with nonces drawn at random; for
	// comparison.
	PlainTransport bool

	// Logger receives the log of every layer. Default nil: nothing is logged.
	Logger *slog.Logger
}

// ICETransportPolicy is W3C's RTCIceTransportPolicy.
type ICETransportPolicy string

// The ICE transport policies.
const (
	ICETransportPolicyAll   ICETransportPolicy = "all"
	ICETransportPolicyRelay ICETransportPolicy = "relay"
)

// An ICEServer is a STUN or TURN server, as W3C's RTCIceServer.
type ICEServer struct {
	// URLs in the form of RFC 7064 and 7065: "stun:host:port",
	// "turn:host:port?transport=udp", "turns:host:port?transport=tcp".
	URLs []string `json:"urls"`
	// Username and Credential are needed by TURN.
	Username   string `json:"username,omitempty"`
	Credential string `json:"credential,omitempty"`
}
