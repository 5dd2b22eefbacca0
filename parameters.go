//go:build !js

package sluice

import "cmp"

// TransportParameters are what the two sides of a Transport tell each other. As
// JSON they can go by any signalling; it must be authentic, because it carries
// the fingerprint of the certificate.
type TransportParameters struct {
	UsernameFragment string        `json:"usernameFragment"`
	Password         string        `json:"password"`
	Answers          string        `json:"answers,omitempty"` // the other side's usernameFragment to whose ICE restart this is the answer
	ICELite          bool          `json:"iceLite,omitempty"`
	Candidates       []string      `json:"candidates,omitempty"` // "candidate:...", RFC 8839
	Fingerprints     []Fingerprint `json:"fingerprints"`
	DTLSRole         DTLSRole      `json:"dtlsRole"`           // what the side insists on; "auto" or absent if nothing
	SCTPPort         uint16        `json:"sctpPort"`           // not 0
	MaxMessageSize   int64         `json:"maxMessageSize"`     // bytes that the side accepts; 0 is any size
	SCTPInit         []byte        `json:"sctpInit,omitempty"` // base64 in JSON; if both sides have one that is valid, there is no SCTP handshake
}

// start decides the roles between the two sides, see Transport.
func (p *TransportParameters) start(local TransportParameters) (startParameters, error) {
	s := startParameters{remote: remoteParameters{
		iceCredentials: iceCredentials{p.UsernameFragment, p.Password},
		fingerprints:   p.Fingerprints,
		sctpPort:       p.SCTPPort,
		maxMessageSize: p.MaxMessageSize,
		initToken:      p.SCTPInit,
	}}
	if err := s.remote.validate(); err != nil {
		return s, err
	}
	if p.MaxMessageSize < 0 {
		return s, &ParameterError{Name: "maxMessageSize", Rule: "must not be negative"}
	}
	order := cmp.Or(cmp.Compare(local.UsernameFragment, p.UsernameFragment), cmp.Compare(local.Password, p.Password))
	if order == 0 {
		return s, &ParameterError{Name: "usernameFragment", Rule: "must not be that of this side: these are our own parameters"}
	}
	s.controlling = order < 0
	if local.ICELite != p.ICELite { // RFC 8445, section 6.1.1: a full agent controls a lite one
		s.controlling = p.ICELite
	}
	ours, theirs := local.DTLSRole, cmp.Or(p.DTLSRole, DTLSRoleAuto)
	switch {
	case !theirs.valid():
		return s, &ParameterError{Name: "dtlsRole", Rule: `must be "auto", "client" or "server"`}
	case ours == DTLSRoleAuto && theirs == DTLSRoleAuto:
		s.dtlsClient = !s.controlling
	case ours == theirs:
		return s, &ParameterError{Name: "dtlsRole", Rule: "both sides insist on " + string(ours)}
	default:
		s.dtlsClient = ours == DTLSRoleClient || theirs == DTLSRoleServer
	}
	return s, nil
}
