package sluice

import (
	"encoding/base64"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/sluice-rtc/sluice/sctp"
)

// parseDescription reads an SDP session description. Every error is an
// *SDPError; nothing of the input is kept that exceeds the bounds above.
func parseDescription(raw string) (*description, error) {
	text, err := splitSDP(raw)
	if err != nil {
		return nil, err
	}
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(text.join(len(text.lines))); err != nil {
		return nil, &SDPError{Line: text.firstBad(), Rule: "not well formed (RFC 4566, section 5)"}
	}
	if len(parsed.TimeDescriptions) == 0 {
		return nil, &SDPError{Rule: "v=, o=, s= and t= lines are required (RFC 4566, section 5)"}
	}
	d := &description{
		origin:    sdpOrigin{parsed.Origin.SessionID, parsed.Origin.SessionVersion},
		wantsSRTP: parsed.Origin.Username == "-" && parsed.Origin.UnicastAddress == "0.0.0.0",
		data:      -1,
	}
	var session section // collects the session-level values that sections inherit
	for i, a := range parsed.Attributes {
		if err := d.sessionAttribute(&session, attribute{a.Key, a.Value, text.session[i]}); err != nil {
			return nil, err
		}
	}
	for i, m := range parsed.MediaDescriptions {
		s, err := parseSection(m, text.media[i], &session)
		if err != nil {
			return nil, err
		}
		d.sections = append(d.sections, s)
	}
	if err := d.checkGroups(); err != nil {
		return nil, err
	}
	d.data = slices.IndexFunc(d.sections, func(s section) bool { return s.isData() && !s.rejected() })
	return d, nil
}

// sdpText is a description cut into lines, with the numbers that errors quote.
type sdpText struct {
	lines   []string // without line ends and empty lines
	numbers []int    // number of each of lines in the input, from 1
	session []int    // numbers of the session-level a= lines
	media   []mediaLines
}

type mediaLines struct {
	m int   // number of the m= line
	a []int // numbers of the a= lines
}

// splitSDP cuts a description into lines. It takes CRLF and LF (RFC 4566,
// section 5) and skips empty lines, which copying by hand leaves behind.
func splitSDP(raw string) (*sdpText, error) {
	if len(raw) > maxSDPSize {
		return nil, contentError(0, "longer than "+strconv.Itoa(maxSDPSize)+" bytes")
	}
	t := &sdpText{}
	n := 0
	for line := range strings.SplitSeq(raw, "\n") {
		n++
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		if len(line) > maxSDPLine {
			return nil, contentError(n, "longer than "+strconv.Itoa(maxSDPLine)+" bytes")
		}
		if len(line) < 2 || line[1] != '=' {
			return nil, &SDPError{Line: n, Rule: "not of the form <type>=<value> (RFC 4566, section 5)"}
		}
		if strings.ContainsAny(line, "\r\x00") {
			return nil, &SDPError{Line: n, Rule: "carriage return or NUL inside a line (RFC 4566, section 9)"}
		}
		switch {
		case line[0] == 'm':
			t.media = append(t.media, mediaLines{m: n})
		case line[0] == 'a' && len(t.media) == 0:
			t.session = append(t.session, n)
		case line[0] == 'a':
			m := &t.media[len(t.media)-1]
			m.a = append(m.a, n)
		}
		if len(t.media) > maxSDPSections {
			return nil, contentError(n, "more than "+strconv.Itoa(maxSDPSections)+" media sections")
		}
		if len(t.lines) == maxSDPLines {
			return nil, contentError(n, "more than "+strconv.Itoa(maxSDPLines)+" lines")
		}
		t.lines = append(t.lines, line)
		t.numbers = append(t.numbers, n)
	}
	return t, nil
}

// join returns the first n lines, each ended by CRLF.
func (t *sdpText) join(n int) string {
	var b strings.Builder
	for _, l := range t.lines[:n] {
		b.WriteString(l)
		b.WriteString("\r\n")
	}
	return b.String()
}

// firstBad returns the number of the first line that the syntax layer refuses.
// It reads line by line, so that a description fails from its first bad line
// on, whatever follows.
func (t *sdpText) firstBad() int {
	i := sort.Search(len(t.lines), func(i int) bool {
		var d sdp.SessionDescription
		return d.UnmarshalString(t.join(i+1)) != nil
	})
	if i == len(t.lines) {
		return 0
	}
	return t.numbers[i]
}

// An attribute is an a= line.
type attribute struct {
	key, value string
	line       int
}

func (a attribute) bad(rule string) error {
	return &SDPError{Line: a.line, Rule: "a=" + a.key + ": " + rule}
}

// sessionAttribute takes one session-level attribute. Unknown ones are ignored
// (RFC 4566, section 5.13).
func (d *description) sessionAttribute(inherited *section, a attribute) error {
	switch a.key {
	case "group":
		f := strings.Fields(a.value)
		if len(f) == 0 {
			return a.bad("no semantics (RFC 5888, section 5)")
		}
		if f[0] == "BUNDLE" {
			d.bundles = append(d.bundles, f[1:])
		}
	case "ice-lite":
		d.iceLite = true
	default:
		return inherited.transportAttribute(a)
	}
	return nil
}

// parseSection reads one media description.
func parseSection(m *sdp.MediaDescription, lines mediaLines, inherited *section) (section, error) {
	s := section{
		line:    lines.m,
		media:   m.MediaName.Media,
		port:    m.MediaName.Port.Value,
		proto:   strings.Join(m.MediaName.Protos, "/"),
		formats: m.MediaName.Formats,
		sctp:    sctpDescription{port: -1, maxMessageSize: -1},
	}
	if len(s.formats) == 0 {
		return s, &SDPError{Line: s.line, Rule: "m= line without a format (RFC 4566, section 5.14)"}
	}
	for i, a := range m.Attributes {
		if err := s.attribute(attribute{a.Key, a.Value, lines.a[i]}); err != nil {
			return s, err
		}
	}
	s.inherit(inherited)
	if s.sctp.maxMessageSize < 0 {
		s.sctp.maxMessageSize = absentMaxMessageSize // 8841-6-a
	}
	if strings.HasSuffix(s.proto, "DTLS/SCTP") && !s.rejected() {
		return s, s.checkSCTP()
	}
	return s, nil
}

// attribute takes one attribute of a section.
func (s *section) attribute(a attribute) error {
	switch a.key {
	case "mid":
		if s.mid != "" || !isToken(a.value) || len(a.value) > maxMidLength {
			return a.bad("one token of at most " + strconv.Itoa(maxMidLength) + " bytes (RFC 5888, section 4)")
		}
		s.mid = a.value
	case "bundle-only":
		s.bundleOnly = true
	case "rtcp-mux":
		s.rtcpMux = true
	case "rtpmap", "fmtp":
		s.rtp = append(s.rtp, a.key+":"+a.value)
	case "candidate":
		c, err := parseCandidate(a.value)
		if err != nil {
			return a.bad(err.Error())
		}
		if len(s.ice.candidates) == maxCandidates {
			return a.bad("more than " + strconv.Itoa(maxCandidates) + " in one section")
		}
		if c.component == 1 { // 2 would be RTCP
			s.ice.candidates = append(s.ice.candidates, "candidate:"+a.value)
		}
	case "sctp-port":
		port, ok := parseNumber(a.value, 5)
		if s.lines.sctpPort != 0 || !ok || port > math.MaxUint16 {
			return a.bad("one number from 0 to 65535 without leading zeros (RFC 8841, section 5.2)")
		}
		s.sctp.port = int(port)
		s.lines.sctpPort = a.line
	case "max-message-size":
		size, ok := parseNumber(a.value, 32)
		if s.sctp.maxMessageSize >= 0 || !ok {
			return a.bad("one number without leading zeros (RFC 8841, section 6.2)")
		}
		s.sctp.maxMessageSize = size
	case "sctp-init": // an invalid one is ignored, snap-b
		token, err := base64.StdEncoding.DecodeString(a.value)
		if err == nil && s.sctp.initToken == nil && sctp.CheckInitToken(token) == nil {
			s.sctp.initToken = token
		}
	case "sctpmap":
		return s.sctpmap(a)
	default:
		return s.transportAttribute(a)
	}
	return nil
}

// sctpmap takes the a=sctpmap:<port> webrtc-datachannel [<streams>] line of the
// drafts before RFC 8841, in which the port is the format of the m= line. Some
// endpoints send it beside a=sctp-port, which takes precedence.
func (s *section) sctpmap(a attribute) error {
	f := strings.Fields(a.value)
	if len(f) < 2 {
		return a.bad("a port and a protocol")
	}
	port, ok := parseNumber(f[0], 5)
	if !ok || port > math.MaxUint16 {
		return a.bad("a port from 0 to 65535")
	}
	if f[1] == "webrtc-datachannel" && slices.Equal(s.formats, f[:1]) {
		s.sctp.legacy = true
		if s.lines.sctpPort == 0 {
			s.sctp.port = int(port)
		}
	}
	return nil
}

// transportAttribute takes an attribute that SDP allows at both levels.
func (s *section) transportAttribute(a attribute) error {
	switch a.key {
	case "ice-ufrag":
		if s.ice.ufrag != "" || !isICEString(a.value, 4, 256) {
			return a.bad("one string of 4 to 256 ice-chars (RFC 8839, section 5.4)")
		}
		s.ice.ufrag = a.value
		s.lines.ufrag = a.line
	case "ice-pwd":
		if s.ice.pwd != "" || !isICEString(a.value, 22, 256) {
			return a.bad("one string of 22 to 256 ice-chars (RFC 8839, section 5.4)")
		}
		s.ice.pwd = a.value
	case "ice-options":
		s.ice.options = append(s.ice.options, strings.Fields(a.value)...)
	case "end-of-candidates":
		s.ice.endOfCandidates = true
	case "fingerprint":
		f, ok := parseFingerprint(a.value)
		if !ok {
			return a.bad("a hash function and as many hex octets as it yields (RFC 8122, section 5)")
		}
		if len(s.dtls.fingerprints) == maxSDPFingerprints {
			return a.bad("more than " + strconv.Itoa(maxSDPFingerprints) + " in one section")
		}
		s.dtls.fingerprints = append(s.dtls.fingerprints, f)
	case "setup":
		role := setupRole(strings.ToLower(a.value))
		if role != setupActpass && role != setupActive && role != setupPassive || s.dtls.setup != "" {
			return a.bad("one of active, passive, actpass (RFC 8842, section 5.1)")
		}
		s.dtls.setup = role
		s.lines.setup = a.line
	case "tls-id":
		if s.dtls.tlsID != "" || !isTLSID(a.value) {
			return a.bad("one string of 20 to 255 tls-id-chars (RFC 8842, section 4)")
		}
		s.dtls.tlsID = a.value
	}
	return nil
}

// inherit copies the session-level values that the section does not set itself.
func (s *section) inherit(from *section) {
	if s.ice.ufrag == "" && s.ice.pwd == "" {
		s.ice.ufrag, s.ice.pwd, s.lines.ufrag = from.ice.ufrag, from.ice.pwd, from.lines.ufrag
	}
	if s.ice.options == nil {
		s.ice.options = from.ice.options
	}
	s.ice.endOfCandidates = s.ice.endOfCandidates || from.ice.endOfCandidates
	if len(s.dtls.fingerprints) == 0 {
		s.dtls.fingerprints = from.dtls.fingerprints
	}
	if s.dtls.setup == "" {
		s.dtls.setup, s.lines.setup = from.dtls.setup, from.lines.setup
	}
	if s.dtls.tlsID == "" {
		s.dtls.tlsID = from.dtls.tlsID
	}
}

// checkSCTP verifies what an SCTP section must have.
func (s *section) checkSCTP() error {
	if len(s.formats) != 1 {
		return contentError(s.line, "m= line of SCTP needs exactly one format (RFC 8841, section 4.3)")
	}
	if s.isData() && s.sctp.port < 0 {
		return contentError(s.line, "section without a=sctp-port (RFC 8841, section 5.1)") // 8841-5-a
	}
	return nil
}

// checkGroups verifies that mids are unique and that no section is in two BUNDLE
// groups, or twice in one (RFC 8843, section 7). Groups that name a section which is
// not there count for nothing, and none counts if a section has no mid (RFC 5888, section
// 6), a rejected one excepted, of which an answer need not say more (RFC 8829, section 5.3.1).
// Without its group a bundle-only section is just one with port 0.
func (d *description) checkGroups() error {
	seen := make(map[string]bool, len(d.sections))
	for i := range d.sections {
		s := &d.sections[i]
		if s.mid != "" && seen[s.mid] {
			return contentError(s.line, "mid used twice (RFC 5888, section 4)")
		}
		seen[s.mid] = s.mid != "" || seen[""] || s.port != 0
	}
	unknown := func(mid string) bool { return !seen[mid] }
	d.bundles = slices.DeleteFunc(d.bundles, func(g []string) bool { return seen[""] || slices.ContainsFunc(g, unknown) })
	bundled := make(map[string]bool, len(d.sections))
	for _, g := range d.bundles {
		for _, mid := range g {
			if bundled[mid] {
				return contentError(0, "a=group:BUNDLE: a section is in one group, once (RFC 8843, section 7)")
			}
			bundled[mid] = true
		}
	}
	for i := range d.sections {
		s := &d.sections[i]
		s.bundleOnly = s.bundleOnly && bundled[s.mid]
	}
	return nil
}
