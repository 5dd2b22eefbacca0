//go:build !js

package sluice

import (
	"errors"
	"io"
	"net/netip"

	"github.com/pion/ice/v2"
)

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
	session := g.t.session
	if g.state == ICEConnectionStateFailed {
		return
	}
	if g.pair.local.IsValid() && !g.t.cfg.PlainTransport {
		err := session.SetPath(g.pair.local, g.pair.remote)
		if err == nil {
			return
		}
		g.t.log.Warnf("over the agent: %v", err)
	}
	if g.conn != nil { // else adopt will be here again
		session.SetConn(g.conn, g.relay.Load())
	}
}

// pump begins to hand over what comes in over the agent, if anything does: at a
// relayed candidate. t.mu is held.
func (g *iceGeneration) pump() {
	if g.conn == nil || g.pumping || g.t.closed || !g.relayed && !g.t.cfg.PlainTransport {
		return
	}
	g.pumping = true
	session := g.t.session
	g.t.background(func() {
		buf := make([]byte, maxDatagram)
		for {
			n, err := g.conn.Read(buf)
			switch {
			case err == nil:
				session.Deliver([][]byte{buf[:n]}, g.relay.Load())
			case !errors.Is(err, io.ErrShortBuffer): // a datagram larger than that is lost
				return
			}
		}
	})
}
