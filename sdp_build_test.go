package sluice

import (
	"strings"
	"testing"
)

const testFingerprint = "29:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2"

// testDescription returns a description of ours with fixed values.
func testDescription(setup setupRole) *localDescription {
	return &localDescription{
		origin: sdpOrigin{1234, 1}, iceCredentials: iceCredentials{"wxyz", "0123456789abcdefghijkl"},
		fingerprints: []Fingerprint{{"sha-256", testFingerprint}}, setup: setup,
		sctpPort: 5000, maxMessageSize: 262144, bundle: true, carrier: -1,
	}
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\n", "\r\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOfferText(t *testing.T) {
	l := testDescription(setupActpass)
	l.iceOptions = []string{"trickle", "ice2"}
	l.sections, l.carrier = []localSection{dataSection("0")}, 0
	wantText(t, l.text(localCandidates{}), `
v=0
o=- 1234 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
a=ice-options:trickle ice2
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:wxyz
a=ice-pwd:0123456789abcdefghijkl
a=fingerprint:sha-256 `+testFingerprint+`
a=setup:actpass
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
`)
	// The candidates join; the default one stands in the m= and c= lines.
	got := l.text(localCandidates{complete: true, lines: []string{
		"candidate:1 1 udp 2130706431 192.0.2.1 5001 typ host",
		"candidate:2 1 udp 1694498815 198.51.100.1 5002 typ srflx raddr 192.0.2.1 rport 5001",
	}})
	wantText(t, got[strings.Index(got, "m="):strings.Index(got, "a=ice-ufrag")], `
m=application 5002 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 198.51.100.1
a=candidate:1 1 udp 2130706431 192.0.2.1 5001 typ host
a=candidate:2 1 udp 1694498815 198.51.100.1 5002 typ srflx raddr 192.0.2.1 rport 5001
a=end-of-candidates
`)
}

func TestDefaultCandidate(t *testing.T) {
	const (
		host4 = "candidate:1 1 udp 1 192.0.2.1 1 typ host"
		host6 = "candidate:1 1 udp 1 2001:db8::1 2 typ host"
		mdns  = "candidate:1 1 udp 1 8b3c.local 3 typ host"
		tcp   = "candidate:1 1 tcp 1 192.0.2.4 4 typ host tcptype passive"
		srflx = "candidate:1 1 udp 1 198.51.100.5 5 typ srflx raddr 0.0.0.0 rport 0"
		relay = "candidate:1 1 udp 1 203.0.113.6 6 typ relay raddr 0.0.0.0 rport 0"
	)
	for _, tc := range []struct {
		lines   []string
		port    int
		family  string
		address string
	}{
		{nil, 9, "IP4", "0.0.0.0"}, // 8840-8-a
		{[]string{mdns, tcp, "nonsense"}, 9, "IP4", "0.0.0.0"},
		{[]string{host6}, 2, "IP6", "2001:db8::1"},
		{[]string{host6, host4, mdns}, 1, "IP4", "192.0.2.1"},
		{[]string{host4, relay, srflx}, 6, "IP4", "203.0.113.6"},
		{[]string{srflx, host4}, 5, "IP4", "198.51.100.5"},
	} {
		port, family, address := defaultCandidate(tc.lines)
		if port != tc.port || family != tc.family || address != tc.address {
			t.Errorf("%q: %d %s %s", tc.lines, port, family, address)
		}
	}
}

// answerText answers a recorded offer.
func answerText(t *testing.T, name string, accept bool) string {
	t.Helper()
	offer := parse(t, readSDP(t, name))
	l := testDescription(setupActive)
	if accept {
		l.carrier = offer.carrier("")
	}
	l.sections = answerSections(offer, l.carrier)
	text := l.text(localCandidates{})
	answer := parse(t, text)
	for i, s := range answer.sections {
		from := offer.sections[i]
		// the answer mirrors media, protocol and mid, one section for each (RFC 8829, section 5.3.1)
		if s.media != from.media || s.proto != from.proto || s.mid != from.mid || len(s.formats) == 0 {
			t.Errorf("%s: section %d is %+v", name, i, s)
		}
	}
	if len(answer.sections) != len(offer.sections) {
		t.Errorf("%s: %d sections, want %d", name, len(answer.sections), len(offer.sections))
	}
	return text[strings.Index(text, "t=0 0\r\n")+7:]
}

// transportText is what the carrier of a testDescription has.
const transportText = `a=ice-ufrag:wxyz
a=ice-pwd:0123456789abcdefghijkl
a=fingerprint:sha-256 ` + testFingerprint + `
a=setup:active
`

func TestAnswerText(t *testing.T) {
	t.Run("data first, media rejected", func(t *testing.T) {
		wantText(t, answerText(t, "chromium-data-av-offer", true), `
a=group:BUNDLE 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
`+transportText+`a=mid:0
a=sctp-port:5000
a=max-message-size:262144
m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9
c=IN IP4 0.0.0.0
a=mid:1
a=inactive
m=video 0 UDP/TLS/RTP/SAVPF 96 97 102
c=IN IP4 0.0.0.0
a=mid:2
a=inactive
`)
	})
	t.Run("data last, tagged audio unusable and rejected", func(t *testing.T) {
		wantText(t, answerText(t, "av-data-without-rtcp-mux-offer", true), `
a=group:BUNDLE 2
m=audio 0 UDP/TLS/RTP/SAVPF 109
c=IN IP4 0.0.0.0
a=mid:0
a=inactive
m=video 0 UDP/TLS/RTP/SAVPF 120
c=IN IP4 0.0.0.0
a=mid:1
a=inactive
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
`+transportText+`a=mid:2
a=sctp-port:5000
a=max-message-size:262144
`)
	})
	t.Run("data bundled, tagged audio lends its transport", func(t *testing.T) {
		wantText(t, answerText(t, "firefox-av-data-maxbundle-offer", true), `
a=group:BUNDLE 0 2
m=audio 9 UDP/TLS/RTP/SAVPF 109
c=IN IP4 0.0.0.0
`+transportText+`a=mid:0
a=inactive
a=rtcp-mux
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=rtpmap:109 opus/48000/2
m=video 0 UDP/TLS/RTP/SAVPF 120 124 121
c=IN IP4 0.0.0.0
a=mid:1
a=inactive
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
`+transportText+`a=mid:2
a=sctp-port:5000
a=max-message-size:262144
`)
	})
	t.Run("no data", func(t *testing.T) {
		wantText(t, answerText(t, "chromium-audio-offer", false), `
m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9
c=IN IP4 0.0.0.0
a=mid:0
a=inactive
`)
	})
	t.Run("data refused", func(t *testing.T) { // 8841-10.1-a
		wantText(t, answerText(t, "sctp-port-zero-offer", false), `
m=application 0 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=sctp-port:0
`)
	})
	t.Run("form before RFC 8841", func(t *testing.T) { // 8841-4-a
		wantText(t, answerText(t, "safari-legacy-data-offer", true), `
a=group:BUNDLE data
m=application 9 DTLS/SCTP 5000
c=IN IP4 0.0.0.0
`+transportText+`a=mid:data
a=sctpmap:5000 webrtc-datachannel 65535
a=max-message-size:262144
`)
	})
}

func TestInsertCandidates(t *testing.T) {
	const text = "v=0\r\nm=audio 9 x 0\r\na=mid:0\r\nm=application 9 y z\r\na=mid:1"
	got := insertCandidates(text, []remoteCandidate{{1, "candidate:1 x"}, {0, "candidate:2 x"}, {-1, ""}})
	wantText(t, got, `
v=0
m=audio 9 x 0
a=mid:0
a=candidate:2 x
a=end-of-candidates
m=application 9 y z
a=mid:1
a=candidate:1 x
a=end-of-candidates
`)
	if got := insertCandidates(text, nil); got != text {
		t.Errorf("changed without candidates: %q", got)
	}
}
