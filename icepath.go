//go:build !js

package sluice

import (
	"context"
	"errors"
	"io"
	"net/netip"

	"github.com/pion/ice/v2"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// An icePath is ICE as one association has it: the datagrams of all generations. When
// another association takes over (see succession.go) that gets a path of its own, and what
// is set on this one is about what is left here.
type icePath struct {
	*udpmux.Session
	t         *iceTransport
	connected chan struct{} // closed when a generation carries data
}

func (t *iceTransport) newPath() *icePath {
	return &icePath{t.mux.NewSession(t.cfg.PlainTransport), t, make(chan struct{})}
}

// await waits until there is a path, be it of the generation that was
// started or of one that a restart began meanwhile.
func (p *icePath) await(ctx context.Context) error {
	select {
	case <-p.connected:
		return nil
	case <-p.t.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setDontFragment says whether the network may fragment datagrams, those of
// generations to come included.
func (p *icePath) setDontFragment(on bool) error {
	t := p.t
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := p.SetDontFragment(on)
	if t.path != p {
		return failed
	}
	t.whole = on
	for _, g := range t.live {
		if g.net != nil {
			failed = errors.Join(failed, g.net.setDontFragment(on))
		}
	}
	return failed
}

// setDSCP sets the codepoint of Differentiated Services with which packets go from our sockets,
// those of generations to come included.
func (p *icePath) setDSCP(codepoint uint8) {
	t := p.t
	t.mu.Lock()
	defer t.mu.Unlock()
	p.SetDSCP(codepoint)
	if t.path == p {
		t.marks.set(codepoint)
	}
}

// udpPair are the addresses of a pair whose packets go from a port; not valid if
// they go another way.
type udpPair struct{ local, remote netip.AddrPort }

func newUDPPair(local, remote ice.Candidate) udpPair {
	at, port := local.Address(), local.Port()
	switch local.Type() {
	case ice.CandidateTypeHost:
	case ice.CandidateTypeServerReflexive:
		base := local.RelatedAddress()
		if base == nil {
			return udpPair{}
		}
		at, port = base.Address, base.Port
	default:
		return udpPair{}
	}
	a, err1 := netip.ParseAddr(at)
	b, err2 := netip.ParseAddr(remote.Address())
	if err1 != nil || err2 != nil || !local.NetworkType().IsUDP() {
		return udpPair{}
	}
	return udpPair{netip.AddrPortFrom(a, uint16(port)), netip.AddrPortFrom(b, uint16(remote.Port()))}
}

// follow moves the data to the selected pair, unless consent to be sent to has
// expired (RFC 7675, section 5.1). t.mu is held.
func (g *iceGeneration) follow() {
	path := g.t.path
	if g.state == ICEConnectionStateFailed {
		return
	}
	if g.pair.local.IsValid() && !g.t.cfg.PlainTransport {
		err := path.SetPath(g.pair.local, g.pair.remote)
		if err == nil {
			return
		}
		g.t.log.Warnf("over the agent: %v", err)
	}
	if g.conn != nil { // else adopt will be here again
		path.SetConn(g.conn, g.relay.Load())
	}
}

// pump begins to hand over what comes in over the agent, if anything does: at a
// relayed candidate. t.mu is held.
func (g *iceGeneration) pump() {
	if g.conn == nil || g.pumping || g.t.closed || !g.relayed && !g.t.cfg.PlainTransport {
		return
	}
	g.pumping = true
	path := g.t.path
	g.t.background(func() {
		buf := make([]byte, maxDatagram)
		for {
			n, err := g.conn.Read(buf)
			switch {
			case err == nil:
				path.Deliver([][]byte{buf[:n]}, g.relay.Load())
			case !errors.Is(err, io.ErrShortBuffer): // a datagram larger than that is lost
				return
			}
		}
	})
}
