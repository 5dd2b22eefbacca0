package e2e

import (
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// TestTCPCandidates has TCP on our side only: the browser connects to our
// listening candidates (RFC 6544).
func TestTCPCandidates(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{NetworkTypes: []string{"tcp4"}})
		p.connectWith("data")
		f := p.startEcho("data")
		f.goesOn("over TCP")
		s := p.golang.pc.Stats()
		for _, c := range s.LocalCandidates {
			if strings.HasPrefix(s.Transport.SelectedCandidatePairID, c.ID+"-") && c.Protocol != "tcp" {
				t.Errorf("the selected local candidate is %+v", c)
			}
		}
		p.golang.pc.RestartICE()
		p.goOffer = true
		p.connect(relay{})
		f.goesOn("after a restart")
	})
}
