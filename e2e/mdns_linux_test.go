package e2e

import (
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
	"github.com/sluice-rtc/sluice/internal/netns"
)

// TestHideHostAddresses gives the browser names in place of Go's addresses, and Go
// no candidate of the browser: it must resolve the names, by multicast DNS in a
// network of the test's own.
func TestHideHostAddresses(t *testing.T) {
	if !netns.Inside(t, append(netns.Wire("w", "10.77.0.1/24"), "link set lo up", "route add default dev w")...) {
		return
	}
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{HideHostAddresses: true, InterfaceFilter: func(name string) bool { return name == "w" }})
		p.offererOpens("data")
		p.connect(relay{mangle: func(d description) description {
			if fromPage := (d.Type == "offer") != goOffer; !fromPage {
				if !strings.Contains(d.SDP, ".local ") || strings.Contains(d.SDP, "10.77.0.1") {
					t.Errorf("Go's description:\n%s", d.SDP)
				}
				return d
			}
			var lines []string
			for l := range strings.Lines(d.SDP) {
				if !strings.HasPrefix(l, "a=candidate") && !strings.HasPrefix(l, "a=end-of-candidates") {
					lines = append(lines, l)
				}
			}
			d.SDP = strings.Join(lines, "")
			return d
		}})
		p.page.opened("data")
		p.golang.opened("data")
		p.exchange("data")
	})
}
