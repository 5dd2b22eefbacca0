//go:build !js

package sluice

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

const (
	// maxChecked bounds the pairs that pairChecks looks at; others have to wait for
	// their nomination. maxAsked is how many of the last checks may be answered.
	maxChecked = 256
	maxAsked   = 256

	// suspectRTT bounds a round-trip time from a check that was sent before anything
	// was heard of the peer: it may have lain at a host that did not know us yet.
	suspectRTT = 100 * time.Millisecond
)

// pairChecks finds a pair that works before ICE has nominated one, which takes a
// round trip more: data may go over any valid pair until then (RFC 8445, section 12.1). It
// is one from which our check was answered, and over which a check of the peer has
// come: so the peer knows who we are, and it is not in vain to begin. It is shown the STUN
// messages at the ports of one generation, until there is a path.
type pairChecks struct {
	local  iceCredentials
	every  time.Duration // between checks that keep a pair open in NATs
	usable func(udpPair) // called once, without locks

	mu     sync.Mutex
	remote string // the peer's password, "" before it is known
	pairs  []*checkedPair
	asked  []sentCheck // the last ones, a ring
	next   int         // in asked
	heard  bool        // anything authentic from the peer
	done   bool
	rtt    time.Duration // the least of all pairs, 0 before there is one
	keep   *time.Timer   // runs while a pair was answered and there is no path
}

// checkedPair is what is known of one pair.
type checkedPair struct {
	udpPair
	answered, heard bool

	conn  *udpmux.Conn // that sent the last one
	check []byte       // the last one
}

// sentCheck is a check of ours.
type sentCheck struct {
	pair *checkedPair // nil if it was answered
	id   [12]byte
	at   time.Time
	deaf bool // nothing had been heard of the peer
}

// begin makes the peer's password known; from now on pairs are looked for.
func (c *pairChecks) begin(remote iceCredentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remote = remote.pwd
}

// end forgets everything but the round-trip time: there is a path.
func (c *pairChecks) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
}

// finish is end with c.mu held.
func (c *pairChecks) finish() {
	c.done, c.pairs, c.asked = true, nil, nil
	if c.keep != nil {
		c.keep.Stop()
	}
}

// roundTripTime returns the least that was measured, 0 if none was.
func (c *pairChecks) roundTripTime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rtt
}

// pair returns what is known of a pair, nil if there are too many. c.mu is held.
func (c *pairChecks) pair(local, remote netip.AddrPort) *checkedPair {
	for _, p := range c.pairs {
		if p.local == local && p.remote == remote {
			return p
		}
	}
	if len(c.pairs) == maxChecked {
		return nil
	}
	p := &checkedPair{udpPair: udpPair{local, remote}}
	c.pairs = append(c.pairs, p)
	return p
}

// outgoing is shown what the agent sends.
func (c *pairChecks) outgoing(b []byte, conn *udpmux.Conn, to netip.AddrPort) {
	m, ok := stunmsg.Parse(b)
	if !ok || m.Type != stunmsg.BindingRequest || m.Username == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return
	}
	if p := c.pair(addrPort(conn.LocalAddr()), to); p != nil {
		asked := sentCheck{p, m.ID, time.Now(), !c.heard}
		if len(c.asked) < maxAsked {
			c.asked = append(c.asked, asked)
		} else {
			c.asked[c.next] = asked
			c.next = (c.next + 1) % maxAsked
		}
		p.conn, p.check = conn, bytes.Clone(b)
	}
}

// refresh repeats checks that were answered: the agent sends no more of them, and waits
// for the peer, whom signalling may bring late.
func (c *pairChecks) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return
	}
	for _, p := range c.pairs {
		if p.answered {
			p.conn.WriteCheck(p.check, p.remote)
		}
	}
	c.keep.Reset(c.every)
}

// incoming is shown what came in for the agent.
func (c *pairChecks) incoming(b []byte, local, from netip.AddrPort) {
	m, ok := stunmsg.Parse(b)
	if !ok {
		return
	}
	c.mu.Lock()
	p := c.look(b, &m, local, from)
	if p == nil || !p.answered {
		c.mu.Unlock()
		return
	}
	if p.heard {
		c.finish()
	} else if c.keep == nil {
		c.keep = time.AfterFunc(c.every, c.refresh)
	}
	c.mu.Unlock()
	if p.heard {
		c.usable(p.udpPair)
	}
}

// look returns the pair of which the message says something new, or nil. c.mu is held.
func (c *pairChecks) look(b []byte, m *stunmsg.Message, local, from netip.AddrPort) *checkedPair {
	if c.done || c.remote == "" {
		return nil
	}
	switch m.Type {
	case stunmsg.BindingRequest:
		if !authentic(b, c.local.pwd) {
			return nil // whoever lies about addresses does not take up pairs
		}
		if p := c.pair(local, from); p != nil && !p.heard {
			p.heard, c.heard = true, true
			return p
		}
	case stunmsg.BindingSuccess:
		for i, asked := range c.asked {
			if p := asked.pair; p != nil && asked.id == m.ID && p.udpPair == (udpPair{local, from}) && authentic(b, c.remote) {
				c.asked[i].pair = nil
				p.answered = true
				c.sample(asked)
				return p
			}
		}
	}
	return nil
}

// sample takes the round-trip time of a check that was answered now. c.mu is held.
func (c *pairChecks) sample(s sentCheck) {
	rtt := time.Since(s.at)
	if s.deaf {
		rtt = min(rtt, suspectRTT)
	}
	if c.rtt == 0 || rtt < c.rtt {
		c.rtt = max(rtt, 1)
	}
}

// early answers a check that came in before the agent listens, that is before the peer's
// answer: at once, as RFC 8445, section 7.3, demands. What else follows from the
// check does so when the agent has it. If the peer takes itself for controlling it may be wrong, which
// only the agent can tell.
func (c *pairChecks) early(conn *udpmux.Conn, request []byte, from netip.AddrPort) {
	m := stun.Message{Raw: bytes.Clone(request)} // the library's check of integrity writes behind it
	username, found := bytes.CutPrefix(mustUsername(&m), []byte(c.local.ufrag+":"))
	if !found || len(username) == 0 || !m.Contains(stun.AttrICEControlled) ||
		stun.NewShortTermIntegrity(c.local.pwd).Check(&m) != nil {
		return
	}
	answer, err := stun.Build(&m, stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())},
		stun.NewShortTermIntegrity(c.local.pwd), stun.Fingerprint)
	if err == nil {
		conn.WriteTo(answer.Raw, net.UDPAddrFromAddrPort(from)) // lost otherwise: the peer asks again
	}
}

// mustUsername decodes the message and returns its USERNAME, nil if it has none.
func mustUsername(m *stun.Message) []byte {
	if m.Decode() != nil {
		return nil
	}
	return mustGet(m, stun.AttrUsername)
}

// authentic reports whether a message was made with the password.
func authentic(b []byte, pwd string) bool {
	m := stun.Message{Raw: bytes.Clone(b)}
	return m.Decode() == nil && stun.NewShortTermIntegrity(pwd).Check(&m) == nil
}
