package sluice

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// readSDP returns a description of testdata/sdp, recorded from a browser or
// written in the shape of one.
func readSDP(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "sdp", name+".sdp"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// parse is parseDescription for a text that must be right.
func parse(t testing.TB, text string) *description {
	t.Helper()
	d, err := parseDescription(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

func TestParseDescription(t *testing.T) {
	type want struct {
		sections   int
		data       int // index of the data section
		carrier    int
		mid        string // of the carrier
		setup      setupRole
		candidates int // of the carrier
		ended      bool
		port       int
		size       int64
	}
	for name, want := range map[string]want{
		"chromium-data-offer":                       {1, 0, 0, "0", setupActpass, 0, false, 5000, 262144},
		"chromium-data-offer-gathered":              {1, 0, 0, "0", setupActpass, 8, false, 5000, 262144},
		"chromium-data-answer":                      {1, 0, 0, "0", setupActive, 4, false, 5000, 262144},
		"firefox-data-offer":                        {1, 0, 0, "0", setupActpass, 0, false, 5000, 1073741823},
		"firefox-data-offer-gathered":               {1, 0, 0, "0", setupActpass, 8, true, 5000, 1073741823},
		"firefox-data-answer":                       {1, 0, 0, "0", setupActive, 8, true, 5000, 1073741823},
		"safari-data-offer":                         {1, 0, 0, "0", setupActpass, 1, false, 5000, 262144},
		"safari-legacy-data-offer":                  {1, 0, 0, "data", setupActpass, 0, false, 5000, 65536}, // 8841-4-a, 8841-6-a
		"chromium-data-av-offer":                    {3, 0, 0, "0", setupActpass, 0, false, 5000, 262144},
		"firefox-data-av-offer":                     {3, 0, 0, "0", setupActpass, 0, false, 5000, 1073741823},
		"chromium-av-data-offer":                    {3, 2, 0, "0", setupActpass, 0, false, 5000, 262144},
		"firefox-av-data-offer":                     {3, 2, 0, "0", setupActpass, 0, false, 5000, 1073741823},
		"chromium-av-data-offer-gathered":           {3, 2, 0, "0", setupActpass, 8, false, 5000, 262144},
		"firefox-av-data-offer-gathered":            {3, 2, 0, "0", setupActpass, 8, true, 5000, 1073741823},
		"chromium-av-data-maxbundle-offer":          {3, 2, 0, "0", setupActpass, 0, false, 5000, 262144},
		"firefox-av-data-maxbundle-offer":           {3, 2, 0, "0", setupActpass, 0, false, 5000, 1073741823},
		"chromium-av-data-maxbundle-offer-gathered": {3, 2, 0, "0", setupActpass, 8, false, 5000, 262144},
		"firefox-av-data-maxbundle-offer-gathered":  {3, 2, 0, "0", setupActpass, 8, true, 5000, 1073741823},
		"jsep-bundled-offer":                        {2, 1, 0, "a1", setupActpass, 0, false, 5000, 65536},
		"plain-data-offer":                          {1, 0, 0, "", setupPassive, 1, true, 5001, 0},
		"sctp-port-zero-offer":                      {1, 0, 0, "0", setupActpass, 0, false, 0, 65536},
		"safari-12-av-data-offer":                   {3, 2, 0, "audio", setupActpass, 2, false, 5000, 65536},
		"safari-17-av-data-offer":                   {3, 2, 0, "0", setupActpass, 0, false, 5000, 262144},
		"safari-data-answer":                        {1, 0, 0, "0", setupActive, 0, false, 5000, 262144},
		"safari-legacy-data-answer":                 {1, 0, 0, "data", setupActive, 1, false, 5000, 65536},
		"firefox-legacy-av-data-offer":              {2, 1, 0, "sdparta_0", setupActpass, 0, false, 5000, 1073741823},
		"chromium-legacy-av-data-offer":             {2, 1, 0, "audio", setupActpass, 0, false, 5000, 65536},
		"transitional-data-offer":                   {1, 0, 0, "data_content_name", setupActpass, 0, false, 5000, 65536},
		"tls-id-data-offer":                         {1, 0, 0, "dc", setupActpass, 2, true, 5000, 0},
		"session-level-data-offer":                  {2, 1, 1, "data", setupPassive, 1, true, 65535, math.MaxInt64},
		"unknown-group-data-offer":                  {2, 1, 1, "1", setupActpass, 0, false, 5000, 65536}, // RFC 5888, section 6
	} {
		d := parse(t, readSDP(t, name))
		p, err := d.peer(strings.HasSuffix(name, "answer"), "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := want
		got.sections, got.data, got.carrier, got.mid, got.setup = len(d.sections), d.data, d.carrier(""), p.mid, p.dtls.setup
		got.candidates, got.ended, got.port, got.size = len(p.ice.candidates), p.ice.endOfCandidates, p.sctp.port, p.sctp.maxMessageSize
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
		if p.ice.ufrag == "" || len(p.ice.pwd) < 22 || len(p.dtls.fingerprints) == 0 {
			t.Errorf("%s: incomplete: %+v", name, p)
		}
	}
}

// Without a data section there is nothing to connect, and nothing wrong.
func TestParseWithoutData(t *testing.T) {
	for _, name := range []string{"chromium-audio-offer", "firefox-audio-offer", "chromium-rtp-data-offer", "bundle-only-alone-offer"} {
		if d := parse(t, readSDP(t, name)); d.data != -1 || len(d.sections) != 1 {
			t.Errorf("%s: data section %d of %d", name, d.data, len(d.sections))
		}
	}
	if d := parse(t, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"); d.data != -1 || len(d.sections) != 0 {
		t.Errorf("empty session: %+v", d)
	}
}

func TestParseDetails(t *testing.T) {
	d := parse(t, readSDP(t, "plain-data-offer"))
	p, err := d.peer(false, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"candidate:1 1 UDP 2130706431 198.51.100.7 54111 typ host"}
	if !reflect.DeepEqual(p.ice.candidates, want) || !p.lite {
		t.Errorf("candidates %q, lite %v", p.ice.candidates, p.lite)
	}
	// session level, hash names in any case: 8122-5-a, 8122-5.1-a
	if f := p.dtls.fingerprints; len(f) != 2 || f[0].Algorithm != "sha-256" || f[1].Algorithm != "sha-512" || !strings.HasPrefix(f[0].Value, "29:E2:1C") {
		t.Errorf("fingerprints %v", f)
	}
	if got := parse(t, readSDP(t, "firefox-av-data-offer-gathered")).sections[0].ice.candidates; len(got) != 8 {
		t.Errorf("%d candidates in the audio section, want the 8 of component 1", len(got))
	}
	for name, want := range map[string]bool{"pion-data-offer": true, "chromium-data-offer": false, "firefox-data-offer": false} {
		if got := parse(t, readSDP(t, name)).wantsSRTP; got != want {
			t.Errorf("%s: as a DTLS server it wants SRTP: %v", name, got)
		}
	}
	d = parse(t, readSDP(t, "chromium-av-data-offer"))
	if d.origin != (sdpOrigin{sessionID: d.origin.sessionID, version: 2}) || !reflect.DeepEqual(d.bundles, [][]string{{"0", "1", "2"}}) {
		t.Errorf("origin %v, bundles %v", d.origin, d.bundles)
	}
	lf := strings.ReplaceAll(readSDP(t, "chromium-data-offer"), "\r\n", "\n") + "\n\n"
	if _, err := parseDescription(strings.TrimSpace(lf)); err != nil {
		t.Errorf("LF line ends and no final one: %v", err)
	}
}

// Every rule a description can break, by changing one line of a good one.
func TestParseErrors(t *testing.T) {
	good := readSDP(t, "chromium-data-offer")
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	add := func(line string) string { return good + line + "\r\n" }
	pwd := "a=ice-pwd:6QEHUVJ3pXEX1D3P0wtmPeZM"
	for _, tc := range []struct {
		desc, in string
		line     int
		rule     string
	}{
		{"empty", "", 0, "are required"},
		{"one line", "v=0\r\n", 0, "are required"},
		{"version", replace("v=0", "v=1"), 1, "well formed"},
		{"no origin", replace("o=- 6314999588716254242 2 IN IP4 127.0.0.1\r\n", ""), 2, "well formed"},
		{"not a line", replace("s=-", "hello"), 3, "<type>=<value>"},
		{"one byte", replace("s=-", "s"), 3, "<type>=<value>"},
		{"unknown type", replace("s=-", "x=-"), 3, "well formed"},
		{"carriage return inside", replace("s=-", "s=-\rx"), 3, "carriage return"},
		{"NUL inside", replace("s=-", "s=\x00"), 3, "NUL"},
		{"port out of range", replace("m=application 9", "m=application 65536"), 8, "well formed"},
		{"no format", replace(" webrtc-datachannel", ""), 8, "without a format"},
		{"two formats", replace("webrtc-datachannel", "webrtc-datachannel x"), 8, "exactly one format"}, // 8841-4-a
		{"no sctp-port", replace("a=sctp-port:5000\r\n", ""), 8, "without a=sctp-port"},                 // 8841-5-a
		{"sctp-port with leading zero", replace("port:5000", "port:05000"), 16, "sctp-port"},            // 8841-5-a
		{"sctp-port too large", replace("port:5000", "port:65536"), 16, "sctp-port"},
		{"sctp-port of six digits", replace("port:5000", "port:500000"), 16, "sctp-port"},
		{"sctp-port empty", replace("port:5000", "port:"), 16, "sctp-port"},
		{"sctp-port signed", replace("port:5000", "port:+500"), 16, "sctp-port"},
		{"sctp-port twice", add("a=sctp-port:5000"), 18, "sctp-port"},
		{"size with leading zero", replace(":262144", ":0262144"), 17, "max-message-size"}, // 8841-6-a
		{"size negative", replace(":262144", ":-1"), 17, "max-message-size"},
		{"size twice", add("a=max-message-size:1"), 18, "max-message-size"},
		{"mid twice", add("a=mid:1"), 18, "mid"},
		{"mid empty", replace("a=mid:0", "a=mid:"), 15, "mid"},
		{"mid with a space", replace("a=mid:0", "a=mid:0 1"), 15, "mid"},
		{"mid too long", replace("a=mid:0", "a=mid:"+strings.Repeat("0", maxMidLength+1)), 15, "mid"},
		{"group without semantics", replace("a=group:BUNDLE 0", "a=group:"), 5, "group"},
		{"group naming a section twice", replace("BUNDLE 0", "BUNDLE 0 0"), 0, "BUNDLE"},
		{"ufrag too short", replace("IanY", "Ian"), 10, "ice-ufrag"}, // 8839-5-a
		{"ufrag too long", replace("IanY", strings.Repeat("a", 257)), 10, "ice-ufrag"},
		{"ufrag with a colon", replace("IanY", "Ia:Y"), 10, "ice-ufrag"},
		{"ufrag twice", add("a=ice-ufrag:abcd"), 18, "ice-ufrag"},
		{"pwd too short", replace(pwd, "a=ice-pwd:short"), 11, "ice-pwd"},
		{"pwd twice", add(pwd), 18, "ice-pwd"},
		{"fingerprint without hash", replace("sha-256 ", ""), 13, "fingerprint"},
		{"fingerprint too short", replace("0C:98:", "0C:"), 13, "fingerprint"},
		{"fingerprint not hexadecimal", replace("0C:98:", "0C:9G:"), 13, "fingerprint"},
		{"fingerprint with a long octet", replace("0C:98:", "0C:980:"), 13, "fingerprint"},
		{"setup holdconn", replace("actpass", "holdconn"), 14, "setup"}, // 8842-5-a
		{"setup twice", add("a=setup:active"), 18, "setup"},
		{"tls-id too short", add("a=tls-id:abc"), 18, "tls-id"}, // 8842-4-a
		{"tls-id with a space", add("a=tls-id:0123456789 0123456789"), 18, "tls-id"},
		{"candidate cut", add("a=candidate:1 1 udp 1 192.0.2.1 1 typ"), 18, "candidate"}, // 8839-5-a
		{"candidate without typ", add("a=candidate:1 1 udp 1 192.0.2.1 1 host host"), 18, "candidate"},
		{"candidate with half an extension", add("a=candidate:1 1 udp 1 192.0.2.1 1 typ host x"), 18, "candidate"},
		{"candidate with a large port", add("a=candidate:1 1 udp 1 192.0.2.1 65536 typ host"), 18, "candidate"},
		{"candidate with component 0", add("a=candidate:1 0 udp 1 192.0.2.1 1 typ host"), 18, "candidate"},
		{"candidate with a long foundation", add("a=candidate:" + strings.Repeat("1", 33) + " 1 udp 1 192.0.2.1 1 typ host"), 18, "candidate"},
		{"candidate too long", add("a=candidate:1 1 udp 1 192.0.2.1 1 typ host x " + strings.Repeat("y", maxCandidateLength)), 18, "candidate"},
		{"sctpmap without protocol", add("a=sctpmap:5000"), 18, "sctpmap"},
		{"sctpmap with a bad port", add("a=sctpmap:port webrtc-datachannel"), 18, "sctpmap"},
		{"too long", strings.Repeat("a", maxSDPSize+1), 0, "longer"},
		{"line too long", replace("s=-", "s="+strings.Repeat("a", maxSDPLine)), 3, "longer"},
		{"two groups naming a section", replace("BUNDLE 0", "BUNDLE 0\r\na=group:BUNDLE 0"), 0, "BUNDLE"},
		{"too many sections", good + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", maxSDPSections), 17 + maxSDPSections, "more than 128"},
		{"too many lines", good + strings.Repeat("a=x\r\n", maxSDPLines), maxSDPLines + 1, "more than 32768 lines"},
		{"too many candidates", good + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", maxCandidates+1), 18 + maxCandidates, "more than 256"},
		{"too many fingerprints", good + strings.Repeat("a=fingerprint:x 00\r\n", maxSDPFingerprints), 17 + maxSDPFingerprints, "more than 32"},
		{"two sections with one mid", good + "m=audio 0 RTP/AVP 0\r\na=mid:0\r\n", 18, "mid"},
	} {
		_, err := parseDescription(tc.in)
		var sdpErr *SDPError
		if !errors.As(err, &sdpErr) {
			t.Errorf("%s: %v, want an *SDPError", tc.desc, err)
			continue
		}
		if sdpErr.Line != tc.line || !strings.Contains(sdpErr.Rule, tc.rule) {
			t.Errorf("%s: %v, want line %d and %q", tc.desc, err, tc.line, tc.rule)
		}
	}
}

// What a description must have to be used, as opposed to read.
func TestPeerErrors(t *testing.T) {
	good := readSDP(t, "chromium-data-offer")
	fingerprint := good[strings.Index(good, "a=fingerprint"):strings.Index(good, "a=setup")]
	for _, tc := range []struct {
		desc, in string
		answer   bool
		line     int
		rule     string
	}{
		{"no ufrag", strings.Replace(good, "a=ice-ufrag:IanY\r\n", "", 1), false, 8, "ice-ufrag"},
		{"no pwd", strings.Replace(good, "a=ice-pwd:6QEHUVJ3pXEX1D3P0wtmPeZM\r\n", "", 1), false, 8, "ice-pwd"},
		{"no setup", strings.Replace(good, "a=setup:actpass\r\n", "", 1), false, 8, "setup"},
		{"actpass in an answer", good, true, 14, "active or passive"}, // 8842-5-a
		{"no fingerprint", strings.Replace(good, fingerprint, "", 1), false, 8, "fingerprint"},
		{"only MD5", strings.Replace(good, fingerprint, "a=fingerprint:md5 "+strings.Repeat("00:", 15)+"00\r\n", 1), false, 8, "fingerprint"}, // 8122-5-a
		{"only an unknown hash", strings.Replace(good, fingerprint, "a=fingerprint:sha-3 00\r\n", 1), false, 8, "fingerprint"},
	} {
		_, err := parse(t, tc.in).peer(tc.answer, "")
		var sdpErr *SDPError
		if !errors.As(err, &sdpErr) || sdpErr.Line != tc.line || !strings.Contains(sdpErr.Rule, tc.rule) {
			t.Errorf("%s: %v, want line %d and %q", tc.desc, err, tc.line, tc.rule)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	offer := []localSection{dataSection("0"), {use: sectionRejected, media: "audio", proto: "UDP/TLS/RTP/SAVPF", formats: []string{"0"}, mid: "1"}}
	good := readSDP(t, "chromium-data-answer") + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n"
	if err := parse(t, good).checkAnswer(offer); err != nil {
		t.Errorf("a good answer: %v", err)
	}
	for _, tc := range []struct{ desc, in, rule string }{
		{"too few sections", readSDP(t, "chromium-data-answer"), "answer with 1 sections"},
		{"other media", strings.Replace(good, "m=audio", "m=video", 1), "media type"},
		{"other protocol", strings.Replace(good, "RTP/SAVPF", "RTP/SAVP", 1), "protocol"},
		{"other mid", strings.Replace(good, "a=mid:1", "a=mid:2", 1), "mid"},
		{"more than offered", strings.Replace(good, "m=audio 0", "m=audio 9", 1), "port 0"},
		{"bundle-only", strings.Replace(good, "BUNDLE 0", "BUNDLE 0 1", 1) + "a=bundle-only\r\n", "bundle-only"},
	} {
		err := parse(t, tc.in).checkAnswer(offer)
		var sdpErr *SDPError
		if !errors.As(err, &sdpErr) || !strings.Contains(sdpErr.Rule, tc.rule) {
			t.Errorf("%s: %v, want %q", tc.desc, err, tc.rule)
		}
	}
}

func TestSameAssociations(t *testing.T) {
	peer := func(name string, change func(*peerDescription)) *peerDescription {
		p, err := parse(t, readSDP(t, name)).peer(false, "")
		if err != nil {
			t.Fatal(err)
		}
		p.dtls.tlsID = "y"
		change(p)
		return p
	}
	base := peer("plain-data-offer", func(*peerDescription) {})
	for _, tc := range []struct {
		want   associationChange
		change func(*peerDescription)
	}{
		{"", func(p *peerDescription) {
			p.dtls.fingerprints = slices.Clone(p.dtls.fingerprints)
			slices.Reverse(p.dtls.fingerprints)
		}},
		{"", func(p *peerDescription) { p.sctp.maxMessageSize = 7; p.dtls.setup = setupActpass }},
		{changeDTLS, func(p *peerDescription) { p.dtls.fingerprints = p.dtls.fingerprints[:1] }}, // 8842-3.1-a
		{changeDTLS, func(p *peerDescription) { p.dtls.tlsID = "x" }},                            // 8842-4-a
		{changeNone, func(p *peerDescription) { p.dtls.tlsID = "" }},
		{changeSCTP, func(p *peerDescription) { p.sctp.port = 1 }}, // 8841-9.3-a
		{changeNone, func(p *peerDescription) { p.ice.ufrag = "abcd" }},
	} {
		if got := base.changed(peer("plain-data-offer", tc.change)); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
