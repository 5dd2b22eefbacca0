//go:build !js

package sluice

import "slices"

// This file puts another association in the place of one, over ICE that goes on: what an
// offer of ours that restarts ICE can come to (RFC 8842, section 3.1; RFC 8829, section
// 5.11). Another peer may answer it, or the association may be over.
//
// The core of the new association borrows the ICE of the old one until it takes it over:
// the generation that was offered is its own from then on. What there is of older ones stays
// with the old core, which says its last words there.

// successor returns a core for another association over c's ICE, with its certificate. With
// sameToken its INIT token is c's, which is for a peer that was told of that.
func (c *core) successor(ev coreEvents, sameToken bool) (*core, error) {
	s := makeCore(c.cfg, c.cert, ev)
	s.ice, s.endICE = c.ice, func() {}
	if sameToken {
		s.seed = c.seed
	}
	if err := s.addSession(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// takeOver makes c, a successor of before, the owner of its ICE. There is a generation that
// the peer was told of, and that was not continued.
func (c *core) takeOver(before *core) {
	leave := c.ice.handOver(c.iceEvents())
	before.mu.Lock()
	before.endICE = leave
	before.mu.Unlock()
	c.mu.Lock()
	c.endICE = c.ice.close
	c.mu.Unlock()
}

// handOver keeps of the transport what restart has begun, for another association with events
// of its own: as if nothing had been before. leave ends the rest, which works as it did
// until then.
func (t *iceTransport) handOver(ev iceEvents) (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	session := t.session
	old := slices.DeleteFunc(slices.Clone(t.live), func(g *iceGeneration) bool { return g == t.next })
	t.ev, t.connected = ev, make(chan struct{})
	t.session = t.mux.NewSession(t.cfg.PlainTransport)
	if t.next != nil {
		t.session.Adopt(t.next.ports)
	}
	t.agreed, t.used, t.state = nil, nil, ICEConnectionStateNew
	t.pairChanges = 0
	t.marks.set(0)
	if t.whole = false; t.next != nil {
		t.next.before = trafficBefore{}
		t.next.net.setDontFragment(false) // an error says that nobody can tell
	}
	return func() {
		for _, g := range old {
			g.close()
		}
		session.Close()
	}
}
