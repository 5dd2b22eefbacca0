//go:build !js

package sluice

import "slices"

// This file puts another association in the place of one, over ICE that goes on: what an
// offer of ours that restarts ICE can come to (RFC 8842, section 3.1; RFC 8829, section
// 5.11). Another peer may answer it, or the association may be over.
//
// A peer that was left does not always hear of it: there are no keys to tell it with before the end of
// the handshake, and the ABORT may be lost. If it answers a later offer, it goes on with its association, of which
// nothing is left here. Such an answer is refused, and what is offered then has another tls-id. A peer without tls-id cannot be
// told so of another association: it is refused for good.
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
// the peer was told of, and that was not continued. It tells whether the peer may have begun
// a handshake of DTLS with before.
func (c *core) takeOver(before *core) (begun bool) {
	left, leave := c.ice.handOver(c.iceEvents())
	before.mu.Lock()
	before.endICE = leave
	connected := before.secure != nil
	before.mu.Unlock()
	begun = before.begun()
	if !connected {
		// It has no last words to say, and a handshake that went on would disturb that of
		// another peer at the same address.
		left.Close()
	}
	c.mu.Lock()
	c.endICE = c.ice.close
	c.mu.Unlock()
	return begun
}

// begun reports whether there has been a handshake of DTLS, or the beginning of one.
func (c *core) begun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dtlsState != DTLSStateNew
}

// handOver keeps of the transport what restart has begun, for another association with events
// of its own: as if nothing had been before. What is left over works as it did until leave
// ends it.
func (t *iceTransport) handOver(ev iceEvents) (left *icePath, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left = t.path
	old := slices.DeleteFunc(slices.Clone(t.live), func(g *iceGeneration) bool { return g == t.next })
	t.ev, t.path = ev, t.newPath()
	if t.next != nil {
		t.path.Adopt(t.next.ports)
	}
	t.agreed, t.used, t.state = nil, nil, ICEConnectionStateNew
	t.pairChanges = 0
	t.marks.set(0)
	if t.whole = false; t.next != nil {
		t.next.before = trafficBefore{}
		t.next.net.setDontFragment(false) // an error says that nobody can tell
	}
	return left, func() {
		for _, g := range old {
			g.close()
		}
		left.Close()
	}
}
