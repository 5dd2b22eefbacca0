package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// snapTrial is Chromium's field trial of SNAP.
const snapTrial = "--force-fieldtrials=WebRTC-Sctp-Snap/Enabled/"

var sctpInit = regexp.MustCompile(`(?m)^a=sctp-init:\S+`)

// TestSNAP connects with a Chromium that does without the SCTP handshake (SNAP), by
// each side's offer, and negotiates again: the tokens stay. Where this Chromium does
// not know SNAP, it must connect with the handshake. // snap-a snap-b snap-c snap-d
func TestSNAP(t *testing.T) {
	b, err := browser.Start(testContext(t), browser.Chromium, browser.Options{Flags: []string{snapTrial}})
	check(t, err)
	t.Cleanup(func() { b.Close() })
	knows := false
	for _, goOffer := range []bool{false, true} {
		t.Run(side(goOffer)+" offers", func(t *testing.T) {
			p := newPair(t, b, goOffer, sluice.Config{})
			var tokens [2]string // in the offer, in the answer
			note := func(d description) description {
				i := 0
				if d.Type == "answer" {
					i = 1
				}
				tokens[i] = sctpInit.FindString(d.SDP)
				return d
			}
			p.offererOpens("first")
			p.connect(relay{mangle: note})
			p.page.opened("first")
			p.golang.opened("first")
			p.exchange("first")
			first := tokens
			knows = first[0] != "" && first[1] != ""
			if snap := p.golang.pc.Stats().SCTP.SNAP; snap != knows {
				t.Errorf("SNAP %v with tokens %q", snap, first)
			}
			if !knows {
				t.Logf("*** this Chromium does not know SNAP: tokens %q ***", first)
				return
			}
			p.connect(relay{mangle: note}) // again
			if tokens != first {
				t.Errorf("renegotiated: tokens %q, were %q", tokens, first)
			}
			p.exchange("first")
		})
	}
	eachBrowser(t, func(t *testing.T, b *browser.Browser) { // which does not know it
		p := newPair(t, b, true, sluice.Config{})
		offered := false
		p.offererOpens("plain")
		p.connect(relay{mangle: func(d description) description {
			if d.Type == "offer" {
				offered = strings.Contains(d.SDP, "a=sctp-init:")
			}
			return d
		}})
		p.page.opened("plain")
		p.golang.opened("plain")
		p.exchange("plain")
		if !offered {
			t.Error("Go did not offer SNAP")
		}
	})
}
