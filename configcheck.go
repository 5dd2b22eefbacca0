//go:build !js

package sluice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun"
	"github.com/sluice-rtc/sluice/sctp"
)

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

	// What is longer than maxDuration is a slip; sums of what is not do not overflow.
	maxDuration = 24 * time.Hour
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
	if err := cfg.validate(); err != nil {
		return cfg, err
	}
	var err error
	cfg.PublicAddresses, err = cfg.publicAddresses()
	return cfg, err
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
		{"HandshakeTimeout", cfg.HandshakeTimeout},
	} {
		if d.value < 0 || d.value > maxDuration {
			return &ConfigError{Field: d.field, Rule: "must be at most 24 hours, and not negative"}
		}
	}
	switch {
	case cfg.ICEKeepaliveInterval < time.Millisecond || cfg.ICEKeepaliveInterval > maxDuration:
		return &ConfigError{Field: "ICEKeepaliveInterval", Rule: "must be 1 ms to 24 hours"}
	case cfg.ICETransportPolicy != ICETransportPolicyAll && cfg.ICETransportPolicy != ICETransportPolicyRelay:
		return &ConfigError{Field: "ICETransportPolicy", Rule: `must be "all" or "relay"`}
	case !cfg.DTLSRole.valid():
		return &ConfigError{Field: "DTLSRole", Rule: `must be "auto", "client" or "server"`}
	case cfg.PortMin > cfg.PortMax:
		return &ConfigError{Field: "PortMin", Rule: "must not exceed PortMax"}
	case cfg.UDPMux != nil && !cfg.UDPMux.open():
		return &ConfigError{Field: "UDPMux", Rule: "must come from NewUDPMux, and not be closed"}
	case cfg.UDPMux != nil && cfg.PortMin|cfg.PortMax != 0:
		return &ConfigError{Field: "UDPMux", Rule: "goes without PortMin and PortMax: it has its port"}
	case cfg.UDPMux != nil && cfg.ICETransportPolicy == ICETransportPolicyRelay:
		return &ConfigError{Field: "UDPMux", Rule: "goes without the relay policy, which does not use it"}
	case cfg.ICELite && (len(cfg.ICEServers) > 0 || cfg.ICETransportPolicy == ICETransportPolicyRelay):
		return &ConfigError{Field: "ICELite", Rule: "goes without ICEServers and without the relay policy"}
	case cfg.ICEUfragPrefix != "" && (len(cfg.ICEUfragPrefix) > 32 || !isICEChars(cfg.ICEUfragPrefix)):
		return &ConfigError{Field: "ICEUfragPrefix", Rule: "must be at most 32 letters, digits, + or /"}
	case cfg.MaxBufferedAmount < 0:
		return &ConfigError{Field: "MaxBufferedAmount", Rule: "must not be negative"}
	case cfg.SCTP.MTU > maxRecordPayload:
		return &ConfigError{Field: "SCTP.MTU", Rule: fmt.Sprintf("must not exceed the %d bytes of a DTLS record", maxRecordPayload)}
	case cfg.SCTP.ECN:
		return &ConfigError{Field: "SCTP.ECN", Rule: "is not possible over DTLS"}
	case cfg.SCTP.MaxMTU > maxRecordPayload:
		return &ConfigError{Field: "SCTP.MaxMTU", Rule: fmt.Sprintf("must not exceed the %d bytes of a DTLS record", maxRecordPayload)}
	case cfg.Certificate != nil && cfg.Certificate.Expires().IsZero():
		return &ConfigError{Field: "Certificate", Rule: "must come from GenerateCertificate or ParseCertificatePEM"}
	case cfg.Certificate != nil && !cfg.Certificate.Expires().After(time.Now()):
		return &ConfigError{Field: "Certificate", Rule: "has expired"}
	}
	for _, n := range cfg.NetworkTypes {
		if n != "udp4" && n != "udp6" && n != "tcp4" && n != "tcp6" {
			return &ConfigError{Field: "NetworkTypes", Rule: fmt.Sprintf(`%q is not "udp4", "udp6", "tcp4" or "tcp6"`, n)}
		}
	}
	if _, err := cfg.serverURIs(cfg.ICEServers); err != nil {
		return err
	}
	_, err := sctp.New(cfg.SCTP) // now, rather than when the session starts
	return err
}

// hasNetwork reports whether one of the networks is among NetworkTypes.
func (cfg *Config) hasNetwork(networks ...string) bool {
	return slices.ContainsFunc(networks, func(n string) bool { return slices.Contains(cfg.NetworkTypes, n) })
}

// serverURIs parses what is in the place of ICEServers.
func (cfg *Config) serverURIs(servers []ICEServer) ([]*stun.URI, error) {
	if cfg.ICELite && len(servers) > 0 {
		return nil, &ConfigError{Field: "ICEServers", Rule: "must be none with ICELite"}
	}
	var uris []*stun.URI
	for _, server := range servers {
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

// copyServers returns servers that the caller's do not change any more.
func copyServers(servers []ICEServer) []ICEServer {
	servers = slices.Clone(servers)
	for i := range servers {
		servers[i].URLs = slices.Clone(servers[i].URLs)
	}
	return servers
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
