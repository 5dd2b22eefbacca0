package e2e

import (
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// TestPathMTU sees the search for the path MTU succeed with browsers, which answer
// its probes: packets grow from the default to the most that is tried, while
// messages go on. // 8899-5.2-a 8831-5-a
func TestPathMTU(t *testing.T) {
	const most = 1432 // the default of sctp.Config.MaxMTU
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, true, sluice.Config{})
		p.connectWith("data")
		for p.golang.pc.Stats().SCTPTransport.MTU < most { // ends with the context
			p.exchange("data")
		}
		p.exchange("data")
	})
}
