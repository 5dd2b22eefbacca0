package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

var fingerprint = regexp.MustCompile(`a=fingerprint:sha-256 (..)`)

// forge changes the first byte of each fingerprint.
func forge(sdp string) string {
	return fingerprint.ReplaceAllStringFunc(sdp, func(line string) string {
		if strings.HasSuffix(line, "00") {
			return line[:len(line)-2] + "01"
		}
		return line[:len(line)-2] + "00"
	})
}

// TestWrongFingerprint forges the certificate fingerprint in the description
// of one side. The other refuses the connection: no channel opens at either
// end and no byte is delivered, though both sides have one queued.
func TestWrongFingerprint(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		for _, goForged := range []bool{false, true} {
			t.Run(side(!goForged)+" detects", func(t *testing.T) {
				p := newPair(t, b, goOffer, sluice.Config{})
				// Negotiated channels are open as soon as SCTP is, at both ends.
				p.golang.open("negotiated", channelInit{Negotiated: true, ID: ptr[uint16](1)})
				p.page.open("negotiated", channelInit{Negotiated: true, ID: ptr[uint16](1)})
				p.golang.open("from Go", channelInit{})
				p.page.open("from the page", channelInit{})
				p.connect(relay{mangle: func(d description) description {
					if goOfGo := (d.Type == "offer") == goOffer; goOfGo == goForged {
						d.SDP = forge(d.SDP)
					}
					return d
				}})
				p.page.page.do(nil, "return lab.connectionState(args[0], 'failed', 'closed', 'disconnected')", p.page.name)
				p.golang.state(sluice.ConnectionStateFailed)
				p.wantNothingDelivered()
			})
		}
	})
}

// wantNothingDelivered checks that no channel has opened at either end.
func (p *pair) wantNothingDelivered() {
	p.t.Helper()
	var report struct {
		Channels map[string]struct {
			State    string
			Events   []string
			Received int
		}
	}
	p.page.page.do(&report, "return lab.report()")
	for key, ch := range report.Channels {
		if ch.State == "open" || ch.Received > 0 || strings.Contains(strings.Join(ch.Events, " "), "open") {
			p.t.Errorf("channel %s of the page: %+v", key, ch)
		}
	}
	p.golang.mu.Lock()
	defer p.golang.mu.Unlock()
	for label, ch := range p.golang.channels {
		if ch.incoming || ch.received > 0 || strings.Contains(strings.Join(ch.events, " "), "open") {
			p.t.Errorf("channel %q of Go: events %v, %d messages", label, ch.events, ch.received)
		}
	}
}

// TestMediaRejected lets the page offer audio and video beside data: Go's
// answer keeps the order of sections and takes no media, and data works. A
// media section whose transport all share may be inactive instead of rejected.
func TestMediaRejected(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		for _, c := range []struct {
			desc          string
			before, after []string // media added before and after the channel
			policy        string   // RTCBundlePolicy
		}{
			{"media first", []string{"audio", "video"}, []string{}, "balanced"},
			{"media last", []string{}, []string{"audio", "video"}, "balanced"},
			{"on both sides", []string{"video"}, []string{"audio"}, "balanced"},
			{"media first, max-bundle", []string{"audio", "video"}, []string{}, "max-bundle"},
			{"media first, max-compat", []string{"audio", "video"}, []string{}, "max-compat"},
		} {
			t.Run(c.desc, func(t *testing.T) {
				p := newPair(t, b, false, sluice.Config{})
				name := p.page.name
				p.page.page.do(nil, "lab.create(args[0], {bundlePolicy: args[1]}); lab.addMedia(args[0], args[2])", name, c.policy, c.before)
				p.page.open("data", channelInit{})
				p.page.page.do(nil, "lab.addMedia(...args)", name, c.after)
				var offer, answer string
				p.connect(relay{mangle: func(d description) description {
					if d.Type == "answer" {
						answer = d.SDP
					} else {
						offer = d.SDP
					}
					return d
				}})
				p.page.opened("data")
				p.golang.opened("data")
				p.exchange("data")
				wantNoMedia(t, offer, answer)

				// A rejected section stops its transceiver, which the page then lists no more.
				var directions []string
				p.page.page.do(&directions, "return lab.directions(args[0])", name)
				for _, d := range directions {
					if d != "inactive" && d != "stopped" && d != "null" {
						t.Errorf("the page has a transceiver that is %s", d)
					}
				}
			})
		}
	})
}

// wantNoMedia checks that the answer has the sections of the offer, of which
// data is accepted and media not: rejected or, in at most one, inactive.
func wantNoMedia(t *testing.T, offer, answer string) {
	t.Helper()
	offered, answered := sections(offer), sections(answer)
	if len(offered) != len(answered) {
		t.Fatalf("%d sections answer %d", len(answered), len(offered))
	}
	inactive := 0
	for i, section := range answered {
		kind, rest, _ := strings.Cut(section, " ")
		if !strings.HasPrefix(offered[i], kind+" ") {
			t.Errorf("section %d is %s, which does not answer\n%s", i, kind, offered[i])
		}
		switch rejected := strings.HasPrefix(rest, "0 "); {
		case kind == "application" && rejected:
			t.Errorf("the answer rejects data")
		case kind != "application" && !rejected:
			if inactive++; inactive > 1 || !strings.Contains(section, "\na=inactive") {
				t.Errorf("the answer takes media:\n%s", section)
			}
		}
	}
}

// sections splits a description into its media sections, without "m=".
func sections(sdp string) []string {
	return strings.Split(strings.ReplaceAll(sdp, "\r", ""), "\nm=")[1:]
}

// TestMaskedAddresses connects a browser that was given no capture permission:
// it shows mDNS names in place of its addresses, so that Go must resolve them
// or learn the address from the browser's own checks.
func TestMaskedAddresses(t *testing.T) {
	t.Parallel()
	for _, kind := range browser.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // mostly waits for the browser's start
			b, err := browser.Start(testContext(t), kind, browser.Options{MaskAddresses: true})
			check(t, err)
			t.Cleanup(func() { _ = b.Close() })
			for _, goOffer := range []bool{false, true} {
				t.Run(side(goOffer)+" offers", func(t *testing.T) {
					p := newPair(t, b, goOffer, sluice.Config{})
					p.offererOpens("data")
					var masked bool
					p.connect(relay{mangle: func(d description) description {
						if fromPage := (d.Type == "offer") != goOffer; fromPage {
							masked = strings.Contains(d.SDP, ".local ")
						}
						return d
					}})
					if !masked {
						t.Skip("the browser has no candidate: this machine has no default route")
					}
					p.page.opened("data")
					p.golang.opened("data")
					p.exchange("data")
				})
			}
		})
	}
}
