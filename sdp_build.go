package sluice

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// A localDescription is a description of ours before it is text. The candidates
// are not part of it: they join whenever it is written (RFC 8829, section 4.1.13).
type localDescription struct {
	origin   sdpOrigin
	sections []localSection
	carrier  int  // index of the section that holds ICE and DTLS attributes, -1 without one
	bundle   bool // group the accepted sections
	iceCredentials
	iceOptions     []string
	iceLite        bool
	fingerprints   []Fingerprint
	setup          setupRole
	tlsID          string // "" without
	sctpPort       int
	maxMessageSize int    // bytes
	initToken      []byte // for a=sctp-init; nil without
}

// A localSection is one m= section of ours.
type localSection struct {
	use     sectionUse
	media   string
	proto   string
	formats []string
	mid     string   // "" if the peer offered none
	rtp     []string // of an inactive section: a=rtpmap and a=fmtp of its format
	closed  bool     // a data section that was offered with a=sctp-port:0
}

// sectionUse says what becomes of a section.
type sectionUse uint8

const (
	sectionRejected sectionUse = iota // port 0, in no group
	sectionData                       // the data channels
	sectionInactive                   // media that is never sent: it lends its transport, see description.carrier
)

// dataSection returns the data section of an offer of ours.
func dataSection(mid string) localSection {
	return localSection{
		use: sectionData, media: "application", proto: "UDP/DTLS/SCTP",
		formats: []string{"webrtc-datachannel"}, mid: mid,
	}
}

// answerSections returns the sections that answer an offer. carrier is the index
// of the one whose transport data uses; with -1 the data section is rejected
// like the others.
func answerSections(offer *description, carrier int) []localSection {
	sections := make([]localSection, len(offer.sections))
	for i := range offer.sections {
		from := &offer.sections[i]
		// media type, protocol and format are those of the offer (RFC 8829, section 5.3.1)
		s := localSection{media: from.media, proto: from.proto, formats: from.formats, mid: from.mid, closed: from.sctp.port == 0}
		switch {
		case carrier >= 0 && i == offer.data:
			s.use = sectionData
		case i == carrier:
			s.use = sectionInactive
			s.formats = from.formats[:1]
			s.rtp = from.formatLines(s.formats[0])
		}
		sections[i] = s
	}
	return sections
}

// formatLines returns the a=rtpmap and a=fmtp values of one format.
func (s *section) formatLines(format string) []string {
	var lines []string
	for _, l := range s.rtp {
		if _, value, _ := strings.Cut(l, ":"); strings.HasPrefix(value, format+" ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// localCandidates is what gathering has found so far.
type localCandidates struct {
	lines    []string // "candidate:..."
	complete bool
}

// text writes the description with the candidates.
func (l *localDescription) text(c localCandidates) string {
	d := sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: "-", SessionID: l.origin.sessionID, SessionVersion: l.origin.version,
			NetworkType: "IN", AddressType: "IP4", UnicastAddress: "0.0.0.0", // no address of ours: RFC 8829, section 5.2.1
		},
		SessionName:      "-",
		TimeDescriptions: []sdp.TimeDescription{{}},
	}
	group := []string{"BUNDLE"}
	for i := range l.sections {
		s := &l.sections[i]
		d.MediaDescriptions = append(d.MediaDescriptions, l.section(i, c))
		if s.use != sectionRejected && s.mid != "" {
			group = append(group, s.mid)
		}
	}
	if l.bundle && len(group) > 1 {
		d.Attributes = append(d.Attributes, sdp.NewAttribute("group", strings.Join(group, " ")))
	}
	if l.iceLite {
		d.Attributes = append(d.Attributes, sdp.NewPropertyAttribute("ice-lite"))
	}
	if len(l.iceOptions) > 0 {
		d.Attributes = append(d.Attributes, sdp.NewAttribute("ice-options", strings.Join(l.iceOptions, " ")))
	}
	text, err := d.Marshal()
	if err != nil {
		panic("sluice: BUG: " + err.Error()) // Marshal fails for no input
	}
	return string(text)
}

// section writes section i.
func (l *localDescription) section(i int, c localCandidates) *sdp.MediaDescription {
	s := &l.sections[i]
	port, family, address := 9, "IP4", "0.0.0.0" // no candidate yet: RFC 8840, section 4.1.1
	if i == l.carrier {
		port, family, address = defaultCandidate(c.lines)
	}
	if s.use == sectionRejected {
		port = 0 // RFC 3264, section 6
	}
	m := &sdp.MediaDescription{
		MediaName: sdp.MediaName{
			Media: s.media, Port: sdp.RangedPort{Value: port},
			Protos: strings.Split(s.proto, "/"), Formats: s.formats,
		},
		ConnectionInformation: &sdp.ConnectionInformation{
			NetworkType: "IN", AddressType: family, Address: &sdp.Address{Address: address},
		},
	}
	add := func(key, value string) { m.Attributes = append(m.Attributes, sdp.NewAttribute(key, value)) }
	switch {
	case i == l.carrier:
		l.candidates(add, c)
		l.transport(add)
	case s.use == sectionData:
		// RFC 8829, section 5.3.1, leaves these to the carrier. Browsers repeat
		// them, and Firefox 153 crashes when they are missing here.
		l.transport(add)
	}
	if s.mid != "" {
		add("mid", s.mid)
	}
	switch {
	case s.use == sectionInactive:
		add("inactive", "")
		add("rtcp-mux", "")
		for _, line := range s.rtp {
			key, value, _ := strings.Cut(line, ":")
			add(key, value)
		}
	case s.media == "application" && strings.HasSuffix(s.proto, "DTLS/SCTP"):
		l.sctp(add, s)
	case s.use == sectionRejected:
		add("inactive", "")
	}
	return m
}

// candidates writes the candidates.
func (l *localDescription) candidates(add func(key, value string), c localCandidates) {
	for _, line := range c.lines {
		add("candidate", strings.TrimPrefix(line, "candidate:"))
	}
	if c.complete {
		add("end-of-candidates", "")
	}
}

// transport writes the other ICE attributes, and those of DTLS.
func (l *localDescription) transport(add func(key, value string)) {
	add("ice-ufrag", l.ufrag)
	add("ice-pwd", l.pwd)
	for _, f := range l.fingerprints {
		add("fingerprint", f.Algorithm+" "+f.Value)
	}
	add("setup", string(l.setup))
	if l.tlsID != "" {
		add("tls-id", l.tlsID)
	}
}

// sctp writes the SCTP attributes in the form of the section's protocol. A section that is
// rejected has the port of before, too: Chromium takes another one for a change when the
// section is used again.
func (l *localDescription) sctp(add func(key, value string), s *localSection) {
	port := l.sctpPort
	if s.closed && s.use == sectionRejected {
		port = 0 // RFC 8841, section 10.3
	}
	if s.formats[0] == "webrtc-datachannel" {
		add("sctp-port", strconv.Itoa(port))
	} else if s.use == sectionData {
		add("sctpmap", s.formats[0]+" webrtc-datachannel 65535") // the form before RFC 8841
	}
	if s.use == sectionRejected {
		return
	}
	add("max-message-size", strconv.Itoa(l.maxMessageSize))
	if l.initToken != nil { // snap-a
		add("sctp-init", base64.StdEncoding.EncodeToString(l.initToken))
	}
}

// defaultCandidate returns what stands in the m= and c= lines: the candidate
// most likely to work for a peer without ICE (RFC 8839, section 4.2.1.2), and
// the placeholder when there is none with an address.
func defaultCandidate(lines []string) (port int, family, address string) {
	port, family, address = 9, "IP4", "0.0.0.0"
	order := []string{"host", "srflx", "relay"} // rising
	best := -1
	for _, line := range lines {
		c, err := parseCandidate(strings.TrimPrefix(line, "candidate:"))
		if err != nil || c.transport != "udp" {
			continue
		}
		ip, err := netip.ParseAddr(c.address)
		rank := 2*slices.Index(order, c.typ) + 1
		if err != nil { // a .local name
			continue
		}
		if ip.Is4() {
			rank++
		}
		if rank > best {
			best, port, family, address = rank, int(c.port), "IP6", ip.WithZone("").String()
			if ip.Is4() {
				family = "IP4"
			}
		}
	}
	return port, family, address
}
