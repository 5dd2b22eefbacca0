package usrsctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/e2e/link"
)

// Every role in both modes: the handshake, messages both ways, a graceful end.
func TestHandshake(t *testing.T) {
	need(t)
	t.Parallel()
	for _, mode := range []string{conn, encapsulated} {
		for _, role := range []role{weConnect, theyConnect, bothConnect} {
			for _, name := range []string{"good network", "bad network"} {
				t.Run(mode+"/"+string(role)+"/"+name, func(t *testing.T) {
					t.Parallel()
					s := setup{mode: mode, role: role}
					if name == "bad network" {
						s.conditions = link.Lossy
					}
					a, p := connect(t, testContext(t), s)
					// 9260-5.1.1-a: what one side allows bounds what the other uses.
					if out, in := a.OutboundStreams(), a.InboundStreams(); out != 128 || in != 64 {
						t.Errorf("%d outgoing and %d incoming streams, want 128 and 64", out, in)
					}
					exchange(t, a, p, batch{streams: 3, count: 6, size: 3000})
					p.do("shutdown")
					wantGraceful(t, a, p)
				})
			}
		}
	}
}
