package sluice

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun"
	"github.com/sluice-rtc/sluice/sctp"
)

// Config configures a Transport or a PeerConnection. The zero value works: host
// candidates on all interfaces but loopback, a fresh certificate, no logging.
type Config struct {
	// ICEServers are the STUN and TURN servers to ask for candidates. Default none.
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
	// for which they return true.
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

	// DisableMulticastDNS ignores remote candidates with a .local name, which
	// browsers send in place of addresses; by default the name is resolved.
	DisableMulticastDNS bool

	// HideHostAddresses puts .local names into host candidates in place of addresses
	// of this host, as browsers do; the peer resolves them by multicast DNS, which
	// goes no further than the local network. What the peer sees of the packets it
	// sees all the same. Default off.
	HideHostAddresses bool

	// ICELite makes this side ICE-lite (RFC 8445, section 2.5): only for a host
	// with a public address. It answers checks and sends none.
	ICELite bool

	// ICEUfragPrefix is what the ICE user fragments of this side begin with: from it a
	// load balancer in front of several processes, on one address, knows whose the first
	// packets of a peer are. At most 32 letters, digits, + or /. Default none.
	ICEUfragPrefix string

	// ICEDisconnectedTimeout is the silence after which ICE counts as
	// disconnected, if a check goes unanswered in it. Default 5 s.
	ICEDisconnectedTimeout time.Duration

	// ICEFailedTimeout is the time after that, or the time of checking beyond
	// ICEDisconnectedTimeout, after which ICE has failed. Default 35 s: together
	// not before the 39.5 s of RFC 8863. Once connected ICE also fails, and nothing
	// more is sent, 30 s after the peer last answered a check (RFC 7675).
	ICEFailedTimeout time.Duration

	// ICEKeepaliveInterval is the time between checks of the selected pair, each
	// time changed by up to a fifth. Default 5 s; RFC 7675, section 5.1, allows
	// not less.
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
	// is announced to it. Default 262144.
	MaxMessageSize int

	// MaxBufferedAmount bounds what a channel's Send queues, in bytes. Default:
	// that of package datachannel.
	MaxBufferedAmount int

	// SCTP overrides parameters of the association. Ports, seed and checksum are
	// set by the transport; timeouts default to the browsers' 500 ms initial and
	// 400 ms minimum.
	SCTP sctp.Config

	// DisableSNAP leaves the SCTP handshake on the wire. By default each side
	// announces the INIT of its association (a=sctp-init in SDP, SCTPInit in
	// TransportParameters; draft-hancke-tsvwg-snap), and where both do there is no
	// handshake: channels open two round trips earlier.
	DisableSNAP bool

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

// Defaults of Config and limits.
const (
	defaultMaxMessageSize         = 262144
	defaultICEDisconnectedTimeout = 5 * time.Second
	defaultICEFailedTimeout       = 35 * time.Second
	defaultICEKeepalive           = 5 * time.Second
	defaultHandshakeTimeout       = 30 * time.Second
	defaultRTOInitial             = 500 * time.Millisecond
	defaultRTOMin                 = 400 * time.Millisecond
	defaultSCTPPort               = 5000
	maxICEServerURLs              = 32
)

// withDefaults returns a copy with each zero field set to its default, or the
// first rule that the configuration breaks.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.ICETransportPolicy == "" {
		cfg.ICETransportPolicy = ICETransportPolicyAll
	}
	if cfg.DTLSRole == "" {
		cfg.DTLSRole = DTLSRoleAuto
	}
	if len(cfg.NetworkTypes) == 0 {
		cfg.NetworkTypes = []string{"udp4", "udp6"}
	}
	setDefault(&cfg.ICEDisconnectedTimeout, defaultICEDisconnectedTimeout)
	setDefault(&cfg.ICEFailedTimeout, defaultICEFailedTimeout)
	setDefault(&cfg.ICEKeepaliveInterval, defaultICEKeepalive)
	setDefault(&cfg.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&cfg.MaxMessageSize, defaultMaxMessageSize)
	setDefault(&cfg.SCTP.RTOInitial, defaultRTOInitial)
	setDefault(&cfg.SCTP.RTOMin, defaultRTOMin)
	cfg.SCTP.ZeroChecksum = sctp.DTLSDetection // RFC 9653, section 5.2: DTLS detects errors
	cfg.SCTP.Seed = [32]byte{}                 // a Config may be used again, a seed may not
	return cfg, cfg.validate()
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

func (cfg *Config) validate() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"ICEDisconnectedTimeout", cfg.ICEDisconnectedTimeout},
		{"ICEFailedTimeout", cfg.ICEFailedTimeout},
		{"ICEKeepaliveInterval", cfg.ICEKeepaliveInterval},
		{"HandshakeTimeout", cfg.HandshakeTimeout},
	} {
		if d.value < 0 {
			return &ConfigError{Field: d.field, Rule: "must not be negative"}
		}
	}
	switch {
	case cfg.ICETransportPolicy != ICETransportPolicyAll && cfg.ICETransportPolicy != ICETransportPolicyRelay:
		return &ConfigError{Field: "ICETransportPolicy", Rule: `must be "all" or "relay"`}
	case !cfg.DTLSRole.valid():
		return &ConfigError{Field: "DTLSRole", Rule: `must be "auto", "client" or "server"`}
	case cfg.PortMin > cfg.PortMax:
		return &ConfigError{Field: "PortMin", Rule: "must not exceed PortMax"}
	case cfg.UDPMux != nil && cfg.PortMin|cfg.PortMax != 0:
		return &ConfigError{Field: "UDPMux", Rule: "goes without PortMin and PortMax: it has its port"}
	case cfg.UDPMux != nil && cfg.ICETransportPolicy == ICETransportPolicyRelay:
		return &ConfigError{Field: "UDPMux", Rule: "goes without the relay policy, which does not use it"}
	case cfg.ICELite && (len(cfg.ICEServers) > 0 || cfg.ICETransportPolicy == ICETransportPolicyRelay):
		return &ConfigError{Field: "ICELite", Rule: "goes without ICEServers and without the relay policy"}
	case cfg.ICEUfragPrefix != "" && (len(cfg.ICEUfragPrefix) > 32 || !isICEChars(cfg.ICEUfragPrefix)):
		return &ConfigError{Field: "ICEUfragPrefix", Rule: "must be at most 32 letters, digits, + or /"}
	case cfg.MaxMessageSize < 0:
		return &ConfigError{Field: "MaxMessageSize", Rule: "must not be negative"}
	case cfg.MaxBufferedAmount < 0:
		return &ConfigError{Field: "MaxBufferedAmount", Rule: "must not be negative"}
	case cfg.SCTP.MTU > maxRecordPayload:
		return &ConfigError{Field: "SCTP.MTU", Rule: fmt.Sprintf("must not exceed the %d bytes of a DTLS record", maxRecordPayload)}
	case cfg.SCTP.ECN:
		return &ConfigError{Field: "SCTP.ECN", Rule: "is not possible over DTLS"}
	case cfg.SCTP.MaxMTU > maxRecordPayload:
		return &ConfigError{Field: "SCTP.MaxMTU", Rule: fmt.Sprintf("must not exceed the %d bytes of a DTLS record", maxRecordPayload)}
	case cfg.Certificate != nil && !cfg.Certificate.Expires().After(time.Now()):
		return &ConfigError{Field: "Certificate", Rule: "has expired"}
	}
	for _, n := range cfg.NetworkTypes {
		if n != "udp4" && n != "udp6" && n != "tcp4" && n != "tcp6" {
			return &ConfigError{Field: "NetworkTypes", Rule: fmt.Sprintf(`%q is not "udp4", "udp6", "tcp4" or "tcp6"`, n)}
		}
	}
	if _, err := cfg.serverURIs(); err != nil {
		return err
	}
	_, err := sctp.New(cfg.SCTP) // now, rather than when the session starts
	return err
}

// hasNetwork reports whether one of the networks is among NetworkTypes.
func (cfg *Config) hasNetwork(networks ...string) bool {
	return slices.ContainsFunc(networks, func(n string) bool { return slices.Contains(cfg.NetworkTypes, n) })
}

// serverURIs parses ICEServers.
func (cfg *Config) serverURIs() ([]*stun.URI, error) {
	var uris []*stun.URI
	for _, server := range cfg.ICEServers {
		for _, url := range server.URLs {
			u, err := parseServerURL(url, server)
			if err != nil {
				return nil, err
			}
			if uris = append(uris, u); len(uris) > maxICEServerURLs {
				return nil, &ConfigError{Field: "ICEServers", Rule: fmt.Sprintf("must have at most %d URLs", maxICEServerURLs)}
			}
		}
	}
	return uris, nil
}

func parseServerURL(url string, server ICEServer) (*stun.URI, error) {
	broken := func(rule string) error {
		return &ConfigError{Field: "ICEServers", Rule: fmt.Sprintf("URL %q %s", url, rule)}
	}
	u, err := stun.ParseURI(url)
	if err != nil {
		return nil, broken("is not of RFC 7064 or 7065: " + err.Error())
	}
	u.Username, u.Password = server.Username, server.Credential
	switch u.Scheme {
	case stun.SchemeTypeSTUN:
	case stun.SchemeTypeTURN, stun.SchemeTypeTURNS:
		if u.Username == "" || u.Password == "" {
			return nil, broken("needs Username and Credential")
		}
		// The DTLS library would run this with its default signature schemes,
		// under which a certificate proves nothing (TURN servers use TLS over TCP).
		if u.Scheme == stun.SchemeTypeTURNS && u.Proto == stun.ProtoTypeUDP {
			return nil, broken("asks for TURN over DTLS, which is not supported: use transport=tcp")
		}
	default:
		return nil, broken("has scheme " + strings.ToLower(u.Scheme.String()) + ", want stun, turn or turns")
	}
	return u, nil
}
