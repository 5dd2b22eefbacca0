//go:build !js

package sluice

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

const (
	// iceSettle is how long a pair has to stay the selected one until the agent is let
	// go. RFC 8445, section 8.3.1, has an agent go on for three seconds.
	iceSettle = 3 * time.Second

	// keptNominees is how many pairs can be under check for a nomination at once.
	keptNominees = 8

	// keptCheckGap is the least distance between two checks of one pair.
	keptCheckGap = 100 * time.Millisecond

	// keptBurst bounds what is looked at of one address within keptCheckGap, some times what
	// ICE asks for; keptSources how many addresses there may be besides that of the peer. From there
	// it is keptPeerBurst: who forges its address shall need much to drown its checks for consent.
	keptBurst     = 32
	keptSources   = 32
	keptPeerBurst = 1024
)

// keptPath takes the place of a generation's agent once that has found a path and nothing
// has changed for a while. The library finds the path; to keep it needs neither
// its goroutines nor what it remembers of the way there. What is left to do is little:
// answer the peer's checks at every port, and move to another pair when the peer nominates
// one. Consent is checked as before (see consent).
//
// What is not at a port needs the agent on: relayed candidates have to be refreshed,
// those over TCP read. And an agent that is plain carries the data.
type keptPath struct {
	g        *iceGeneration
	known    iceKnowledge // guarded by g.t.mu, like the next
	nominees []nominee
	pace     keptPace
}

// keptPace thins out what comes in for a keptPath: it is looked at on the goroutine that reads the port, which
// may be that of many connections.
type keptPace struct {
	since time.Time
	seen  []keptSource
}

// keptSource is how many messages have come from an address.
type keptSource struct {
	addr netip.AddrPort
	n    int
}

// admit reports whether one more message from there may be looked at. There is room for
// the peer, whoever sends besides.
func (p *keptPace) admit(from, peer netip.AddrPort, now time.Time) bool {
	if now.Sub(p.since) >= keptCheckGap {
		p.since, p.seen = now, p.seen[:0]
	}
	i := slices.IndexFunc(p.seen, func(s keptSource) bool { return s.addr == from })
	if i < 0 {
		if len(p.seen) > keptSources && from != peer {
			return false
		}
		i = len(p.seen)
		p.seen = append(p.seen, keptSource{addr: from})
	}
	p.seen[i].n++
	if from == peer {
		return p.seen[i].n <= keptPeerBurst
	}
	return p.seen[i].n <= keptBurst
}

// admit is that of its pace.
func (k *keptPath) admit(from netip.AddrPort) bool {
	k.g.t.mu.Lock()
	defer k.g.t.mu.Unlock()
	return k.pace.admit(from, k.g.pair.remote, time.Now())
}

// nominee is a pair that the peer has nominated, under check.
type nominee struct {
	udpPair
	id [stun.TransactionIDSize]byte
	at time.Time
}

// settle is called when the selected pair has not changed for a while.
func (g *iceGeneration) settle() {
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !g.keepable():
	case t.used != g || g.gathering != ICEGatheringStateComplete:
		g.settling.Reset(t.settle) // may come yet
	default:
		agent, pairs := g.agent, g.pairs
		t.background(func() { g.keep(agent, pairs) })
	}
}

// keepable reports whether the path can do without the agent. t.mu is held.
func (g *iceGeneration) keepable() bool {
	return !g.t.closed && !g.ending && g.agent != nil && g.pair.local.IsValid() && !g.relayed && g.tcp == nil &&
		!g.t.cfg.PlainTransport && g.state != ICEConnectionStateFailed
}

// keep lets the agent go, unless another pair has been selected since pairs were counted.
func (g *iceGeneration) keep(agent *ice.Agent, pairs int) {
	k := &keptPath{g: g, known: agentKnowledge(agent)}
	t := g.t
	t.mu.Lock()
	if !g.keepable() || t.used != g || g.pairs != pairs {
		t.mu.Unlock()
		return
	}
	for _, c := range g.remotes { // of which the agent may not have known yet
		k.known.addRemote(c)
	}
	g.remotes = nil
	sockets := g.net
	g.kept, g.agent, g.conn, g.net = k, nil, nil, nil
	t.mu.Unlock()
	g.ports.Keep(k.handle)
	if err := agent.GracefulClose(); err != nil {
		t.log.Warnf("closing the agent: %v", err)
	}
	sockets.close()
	t.log.Infof("the agent has done its work")
}

// handle takes what comes in at a port.
func (k *keptPath) handle(conn *udpmux.Conn, b []byte, from netip.AddrPort) {
	if !k.g.consent.awaits(b) && !k.admit(from) {
		return
	}
	m := stun.Message{Raw: bytes.Clone(b)} // the library's check of integrity writes behind it
	if m.Decode() != nil || m.Type.Method != stun.MethodBinding {
		return
	}
	switch c := k.g.consent; {
	case m.Type.Class == stun.ClassRequest:
		if c.request(&m) {
			k.request(conn, &m, from)
		}
	case !c.answered(&m, from):
		k.answered(conn, &m, from)
	}
}

// request answers a check of the peer, which is authentic (RFC 8445, section 7.3).
func (k *keptPath) request(conn *udpmux.Conn, m *stun.Message, from netip.AddrPort) {
	controlling, conflict := k.g.consent.settleRole(m)
	answer := []stun.Setter{m, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}}
	if conflict {
		answer = []stun.Setter{m, stun.BindingError, stun.CodeRoleConflict}
	}
	answer = append(answer, stun.NewShortTermIntegrity(k.g.pwd), stun.Fingerprint)
	if built, err := stun.Build(answer...); err == nil {
		conn.WriteTo(built.Raw, net.UDPAddrFromAddrPort(from)) // lost otherwise: the peer asks again
	}
	if !controlling && !conflict && m.Contains(stun.AttrUseCandidate) {
		if check := k.nominated(udpPair{addrPort(conn.LocalAddr()), from}); check != nil {
			conn.WriteCheck(check, from) // an error is as good as a loss
		}
	}
}

// nominated takes note of a pair that the peer wants to use from now on, and returns
// the check that has to prove it first (RFC 8445, section 7.3.1.5); nil if there is no need.
func (k *keptPath) nominated(pair udpPair) []byte {
	g := k.g
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if pair == g.pair || !k.takes(pair) {
		return nil
	}
	i := slices.IndexFunc(k.nominees, func(n nominee) bool { return n.udpPair == pair })
	if i >= 0 && time.Since(k.nominees[i].at) < keptCheckGap {
		return nil
	}
	m, err := g.consent.build(peerReflexive(k.known.localPriority(pair)))
	if err != nil {
		return nil // never, with credentials of permitted sizes
	}
	if i < 0 && len(k.nominees) == keptNominees {
		i = 0 // the oldest
	}
	if i >= 0 {
		k.nominees = slices.Delete(k.nominees, i, i+1)
	}
	k.nominees = append(k.nominees, nominee{pair, m.TransactionID, time.Now()})
	return m.Raw
}

// takes reports whether the pair may take the place of the selected one: it is no worse,
// as RFC 5245, section 8.1.1.2, has it for peers that nominate more than one, or
// the selected one is silent. A lite agent leaves it to its peer. g.t.mu is held.
func (k *keptPath) takes(pair udpPair) bool {
	g := k.g
	if g.t.closed || g.t.used != g || g.state == ICEConnectionStateFailed {
		return false
	}
	return g.t.cfg.ICELite || g.consent.silent() || k.known.priority(pair) >= k.known.priority(g.pair)
}

// answered takes the answer to the check of a nominee: its pair is the selected one now.
func (k *keptPath) answered(conn *udpmux.Conn, m *stun.Message, from netip.AddrPort) {
	if m.Type == stun.BindingSuccess && k.move(conn, m, from) {
		k.g.consent.tick()
	}
}

// move selects the pair whose check is answered, if it is still to be had.
func (k *keptPath) move(conn *udpmux.Conn, m *stun.Message, from netip.AddrPort) bool {
	g, pair := k.g, udpPair{addrPort(conn.LocalAddr()), from}
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	i := slices.IndexFunc(k.nominees, func(n nominee) bool { return n.id == m.TransactionID && n.udpPair == pair })
	if i < 0 || !g.consent.fromPeer(m) {
		return false
	}
	k.nominees = slices.Delete(k.nominees, i, i+1)
	if pair == g.pair || !k.takes(pair) {
		return false
	}
	k.known.selectPair(pair)
	g.consent.move(portConn{Conn: conn}, from, peerReflexive(k.known.localPriority(pair)))
	g.t.log.Infof("selected pair %v - %v", pair.local, pair.remote)
	g.choose(pair, "")
	return true
}
