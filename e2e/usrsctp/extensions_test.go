package usrsctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

const typeNRSACK = 16

// NR-SACKs both ways, with and without gaps, and none if one side does not offer
// them. // nrsack-a
func TestNRSACK(t *testing.T) {
	need(t)
	for _, c := range []struct {
		desc string
		ours bool
		s    setup
	}{
		{"we connect", true, setup{options: []string{"nrsack=1"}}},
		{"usrsctp connects", true, setup{role: theyConnect, options: []string{"nrsack=1"}}},
		{"bad network", true, setup{conditions: link.Lossy, options: []string{"nrsack=1"}}},
		{"only usrsctp offers", false, setup{options: []string{"nrsack=1"}}},
		{"only we offer", true, setup{}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			t.Parallel()
			c.s.cfg.NRSACK = c.ours
			a, p := connect(t, testContext(t), c.s)
			kind := func(k byte, _ []byte) bool { return k == typeNRSACK }
			sent, received := a.tap.watch(toPeer, kind), a.tap.watch(fromPeer, kind)
			exchange(t, a, p, batch{streams: 4, count: 40, size: 16 << 10})
			exchange(t, a, p, batch{streams: 4, unordered: true, count: 40, size: 3000})
			both := c.ours && len(c.s.options) > 0
			for i, seen := range []<-chan struct{}{sent, received} {
				select {
				case <-seen:
					if !both {
						t.Errorf("way %d: an NR-SACK", i)
					}
				default:
					if both {
						t.Errorf("way %d: no NR-SACK", i)
					}
				}
			}
			p.do("shutdown")
			wantGraceful(t, a, p)
		})
	}
}

// Messages are interleaved both ways if both sides offer it, also while some of them are
// given up, and else they are not. // 8260-2.2.1-a 8260-2.3.1-a
func TestInterleaving(t *testing.T) {
	need(t)
	for _, c := range []struct {
		desc string
		off  bool
		s    setup
	}{
		{"we connect", false, setup{options: []string{"interleave=1"}}},
		{"usrsctp connects", false, setup{role: theyConnect, options: []string{"interleave=1"}}},
		{"encapsulated", false, setup{mode: encapsulated, options: []string{"interleave=1"}}},
		{"bad network", false, setup{conditions: link.Lossy, options: []string{"interleave=1"}}},
		{"only usrsctp offers", true, setup{options: []string{"interleave=1"}}},
		{"only we offer", false, setup{}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			t.Parallel()
			c.s.cfg.NoInterleaving = c.off
			a, p := connect(t, testContext(t), c.s)
			if both := !c.off && len(c.s.options) > 0; a.Stats().Interleaving != both {
				t.Fatalf("interleaving is %v", !both)
			}
			n := 8
			if c.s.conditions != nil {
				n = 2
			}
			exchange(t, a, p, batch{streams: 8, count: 8 * n, size: 100})
			exchange(t, a, p, batch{streams: 4, count: 4 * n, size: 100_000})
			exchange(t, a, p, batch{streams: 4, unordered: true, count: 4 * n, size: 30_000})
			p.do("shutdown")
			wantGraceful(t, a, p)
		})
	}
}

// usrsctp answers probes for a larger MTU, of any size that passes. // 8899-5.2-b 4820-3-a
func TestMTU(t *testing.T) {
	need(t)
	for _, c := range []struct {
		desc string
		s    setup
		mtu  int
	}{
		{"all passes", setup{cfg: sctp.Config{MaxMTU: 1432}}, 1432},
		{"encapsulated", setup{mode: encapsulated, cfg: sctp.Config{MaxMTU: 1472}}, 1472},
		{"a path of 1300 bytes", setup{conditions: &netsim.Conditions{MTU: 1300}, cfg: sctp.Config{MaxMTU: 1300}}, 1300},
	} {
		t.Run(c.desc, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), c.s)
			for a.Stats().MTU != c.mtu {
				exchange(t, a, p, batch{streams: 1, count: 4, size: 5000})
				if a.Stats().MTUProbesSent > 20 {
					t.Fatalf("%+v", a.Stats())
				}
			}
			exchange(t, a, p, batch{streams: 2, count: 20, size: 20_000})
			p.do("shutdown")
			wantGraceful(t, a, p)
		})
	}
}
