package sluice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A description is what this package uses of an SDP session description. Values
// that SDP allows at session level are already copied into the sections that
// inherit them (RFC 8829, section 5.8).
type description struct {
	origin   sdpOrigin
	bundles  [][]string // mids of each a=group:BUNDLE, the tagged one first
	iceLite  bool
	sections []section
	data     int // index of the section for data channels, -1 without one

	// wantsSRTP says that the peer, as the DTLS server, may end a handshake in which the client
	// does not offer SRTP: pion/webrtc and webrtc-rs do, though there is no media. Their o= line is the one that
	// RFC 8829, section 5.2.1, recommends; browsers and libdatachannel, whose server
	// does not know of SRTP, have others.
	wantsSRTP bool
}

// sdpOrigin is the part of the o= line that tells descriptions apart.
type sdpOrigin struct {
	sessionID, version uint64
}

// A section is one media description: the m= line and what follows it.
type section struct {
	line    int    // number of the m= line, from 1
	media   string // "audio", "video", "application", ...
	port    int    // 0 rejects the section, unless bundleOnly
	proto   string // "UDP/DTLS/SCTP", ...
	formats []string

	mid        string // "" without an a=mid line
	bundleOnly bool
	rtcpMux    bool
	rtp        []string // values of a=rtpmap and a=fmtp, as "key:value", in order

	ice   iceDescription
	dtls  dtlsDescription
	sctp  sctpDescription
	lines attributeLines
}

// iceDescription holds the ICE attributes of a section (RFC 8839, RFC 8840).
type iceDescription struct {
	ufrag, pwd      string
	options         []string
	candidates      []string // "candidate:..." of component 1
	endOfCandidates bool
}

// dtlsDescription holds the DTLS attributes of a section (RFC 8842, RFC 8122).
type dtlsDescription struct {
	setup        setupRole
	tlsID        string
	fingerprints []Fingerprint
}

// sctpDescription holds the SCTP attributes of a data section (RFC 8841).
type sctpDescription struct {
	port           int    // 0 closes the association; -1 without the attribute
	maxMessageSize int64  // bytes, 0 is any size; 65536 without the attribute
	legacy         bool   // DTLS/SCTP <port> with a=sctpmap
	initToken      []byte // of a=sctp-init, nil without a valid one
}

// attributeLines are the line numbers that errors found later refer to.
type attributeLines struct {
	ufrag, setup, sctpPort int
}

// setupRole is a value of a=setup (RFC 4145, section 4). holdconn is not among
// them: RFC 8842, section 5.1, forbids it.
type setupRole string

const (
	setupActpass setupRole = "actpass"
	setupActive  setupRole = "active"
	setupPassive setupRole = "passive"
)

// Bounds on what a description may hold. They are well above what a browser
// with dozens of media sections produces, each of 7 KB and 130 lines.
const (
	maxSDPSize         = 1 << 20  // bytes
	maxSDPLine         = 16 << 10 // bytes of one line
	maxSDPLines        = 32 << 10
	maxSDPSections     = 128
	maxSDPFingerprints = 32  // in one section
	maxCandidates      = 256 // in one section, and trickled by the peer in one generation
	maxCandidateLength = 512 // bytes
	maxMidLength       = 64  // bytes
)

// absentMaxMessageSize applies when a description has no a=max-message-size:
// 64K, which the W3C reads as 65536 (RFC 8841, section 6.1).
const absentMaxMessageSize = 65536

// contentError is an SDPError about what a description says, not how.
func contentError(line int, rule string) *SDPError { return &SDPError{line, rule, true} }

// descriptionError is how SetRemoteDescription returns an error of its description.
func descriptionError(op string, err error) error {
	var e *SDPError
	switch {
	case !errors.As(err, &e):
		return err
	case e.content:
		return &InvalidAccessError{Op: op, Err: e}
	}
	return &RTCError{Detail: SDPSyntaxError, SDPLineNumber: e.Line, Message: e.Rule, Err: e}
}

// rejected reports whether a zero port rejects the section. In an offer a
// bundle-only section of a group has a zero port too (RFC 8843, section 6).
func (s *section) rejected() bool { return s.port == 0 && !s.bundleOnly }

// isData reports whether the section describes SCTP over DTLS for data channels.
func (s *section) isData() bool {
	if s.media != "application" || len(s.formats) != 1 {
		return false
	}
	return isSCTP(s.proto) && (s.formats[0] == "webrtc-datachannel" || s.sctp.legacy)
}

// isSCTP reports whether a protocol is one of data channels (RFC 8829, section 5.1.2).
func isSCTP(proto string) bool {
	return proto == "UDP/DTLS/SCTP" || proto == "TCP/DTLS/SCTP" || proto == "DTLS/SCTP"
}

// isRTP reports whether the section carries RTP (RFC 8829, section 5.1.2).
func (s *section) isRTP() bool {
	i := strings.LastIndexByte(s.proto, '/')
	switch s.proto[i+1:] {
	case "AVP", "AVPF", "SAVP", "SAVPF":
		return true
	}
	return false
}

// sectionOf returns the index of the section with that mid, or -1.
func (d *description) sectionOf(mid string) int {
	return slices.IndexFunc(d.sections, func(s section) bool { return s.mid == mid && mid != "" })
}

// bundleOf returns the mids of the BUNDLE group that holds the section, or nil.
func (d *description) bundleOf(index int) []string {
	mid := d.sections[index].mid
	for _, g := range d.bundles {
		if mid != "" && slices.Contains(g, mid) {
			return g
		}
	}
	return nil
}

// carrier returns the index of the section whose transport the data section
// uses; there must be a data section.
//
// Once that is negotiated it stays: keep is the mid of the carrier in use, if
// any. At first it is the tagged section of the BUNDLE group, the first one with
// a port (RFC 8843, section 7.3.1), even if that is media, which then must not
// be rejected: the transport may exist nowhere else (max-bundle, and Chromium
// refuses an answer without it), and a group cannot do without its tagged section
// (RFC 8829, section 5.3.1). Outside of a group it is the data section itself.
func (d *description) carrier(keep string) int {
	group := d.bundleOf(d.data)
	if i := d.sectionOf(keep); i >= 0 && d.sections[i].port != 0 && (i == d.data || slices.Contains(group, keep)) {
		return i
	}
	for _, mid := range group {
		i := d.sectionOf(mid)
		if i < 0 || d.sections[i].port == 0 {
			continue
		}
		if i != d.data && !(d.sections[i].isRTP() && d.sections[i].rtcpMux) {
			continue // without rtcp-mux it needs a second component, which we do not have
		}
		return i
	}
	return d.data
}

// A peerDescription is what a description says of the transport for data: the
// attributes of its carrier, and those of the data section itself.
type peerDescription struct {
	index int    // of the carrier: trickled candidates for other sections are not ours
	mid   string // of the carrier
	lite  bool

	session uint64 // of the o= line: stays while the peer's connection does (RFC 8829, section 5.2.2)

	wantsSRTP bool // see description

	ice  iceDescription
	dtls dtlsDescription
	sctp sctpDescription
}

// peer returns what the description says of the peer; keep as for carrier. There
// must be a data section. It verifies that what is mandatory is there (RFC 8829,
// section 5.8.3).
func (d *description) peer(answer bool, keep string) (*peerDescription, error) {
	i := d.carrier(keep)
	s := &d.sections[i]
	switch {
	case s.ice.ufrag == "" || s.ice.pwd == "":
		return nil, contentError(s.line, "section without a=ice-ufrag and a=ice-pwd (RFC 8829, section 5.8.3)")
	case s.dtls.setup == "":
		return nil, contentError(s.line, "section without a=setup (RFC 8829, section 5.8.3)")
	case answer && s.dtls.setup == setupActpass:
		return nil, contentError(s.lines.setup, "a=setup: an answer is active or passive (RFC 8842, section 5.3)")
	}
	if err := checkFingerprints(s.dtls.fingerprints); err != nil { // 8122-5-a
		return nil, contentError(s.line, "section without a=fingerprint of sha-256, sha-384 or sha-512 (RFC 8829, section 5.8.3)")
	}
	return &peerDescription{
		index: i, mid: s.mid, lite: d.iceLite, session: d.origin.sessionID, wantsSRTP: d.wantsSRTP,
		ice: s.ice, dtls: s.dtls, sctp: d.sections[d.data].sctp,
	}, nil
}

// checkAnswer verifies that an answer fits the offer: as many sections, of the
// same media types and protocols (RFC 8829, section 5.8.3), with the same mids
// (RFC 5888, section 9.1), and no section accepted that was not offered. Peers from
// before RFC 8841 answer DTLS/SCTP, whatever form the offer has.
func (d *description) checkAnswer(offer []localSection) error {
	if len(d.sections) != len(offer) {
		return contentError(0, fmt.Sprintf("answer with %d sections to an offer with %d (RFC 3264, section 6)", len(d.sections), len(offer)))
	}
	for i := range d.sections {
		s, o := &d.sections[i], &offer[i]
		switch {
		case s.media != o.media || s.proto != o.proto && !(isSCTP(s.proto) && isSCTP(o.proto)):
			return contentError(s.line, "media type and protocol are not those of the offer (RFC 8829, section 5.8.3)")
		case s.mid != "" && s.mid != o.mid:
			return contentError(s.line, "mid is not that of the offer (RFC 5888, section 9.1)")
		case s.port != 0 && o.use == sectionRejected:
			return contentError(s.line, "section that was offered with port 0 is accepted (RFC 3264, section 6)")
		case s.bundleOnly:
			return contentError(s.line, "a=bundle-only in an answer (RFC 8843, section 6)")
		}
	}
	return nil
}

// associationChange is how a description of the peer differs from the transport in use.
type associationChange string

const (
	changeNone associationChange = ""
	changeDTLS associationChange = "a new DTLS association"
	changeSCTP associationChange = "a new SCTP association"
)

// changed reports which association is new if q follows p as the description of the
// peer (RFC 8842, section 3.1; RFC 8841, section 9.3). A tls-id says something only
// beside another.
func (p *peerDescription) changed(q *peerDescription) associationChange {
	switch {
	case p.dtls.tlsID != q.dtls.tlsID && p.dtls.tlsID != "" && q.dtls.tlsID != "",
		!sameFingerprints(p.dtls.fingerprints, q.dtls.fingerprints):
		return changeDTLS
	case p.sctp.port != q.sctp.port:
		return changeSCTP
	}
	return changeNone
}

// is reports whether q describes the same connection of a peer that knows nothing of tls-id. As long as neither its
// certificate changes nor ours it has one DTLS association (RFC 8842, section 3.1).
func (p *peerDescription) is(q *peerDescription) bool {
	return p.dtls.tlsID == "" && q.dtls.tlsID == "" && p.session == q.session && sameFingerprints(p.dtls.fingerprints, q.dtls.fingerprints)
}

// credentials returns those of ICE.
func (p *peerDescription) credentials() iceCredentials { return iceCredentials{p.ice.ufrag, p.ice.pwd} }

// restarts reports whether q is a later ICE generation than p (RFC 8839, section
// 4.4.1.1.1).
func (p *peerDescription) restarts(q *peerDescription) bool {
	return p.credentials() != q.credentials()
}

// sameFingerprints compares as sets.
func sameFingerprints(a, b []Fingerprint) bool {
	covers := func(a, b []Fingerprint) bool {
		return !slices.ContainsFunc(b, func(f Fingerprint) bool { return !slices.Contains(a, f) })
	}
	return covers(a, b) && covers(b, a)
}
