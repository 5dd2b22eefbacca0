package udpmux

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// A port is a socket of a Mux, and whose the packets are that come in there.
type port struct {
	m      *Mux
	sock   *socket
	asked  uint16      // the port number that was asked for
	users  int         // Conns open; guarded by m.mu
	wanted bool        // by the agent that came last; guarded by m.mu
	ailing atomic.Bool // reading fails

	mu      sync.Mutex
	claims  map[netip.AddrPort][]claim // replaced, not changed: dispatch reads them without the lock
	left    []netip.AddrPort           // on which there was a claim; a ring of maxLeft
	oldest  int                        // in left, once that is full
	last    netip.AddrPort             // looked up last, with the result
	lastOf  []claim
	queries map[[12]byte]*ServerConn // unanswered questions to STUN servers
}

// A claim of a session is on a remote address at a port.
//
// Several sessions may have one on the same address: behind a NAT one peer's port
// becomes another's, and somebody may lie about his address. What comes from there
// goes to all of them, as the record layer of the right one tells it from noise.
type claim struct {
	s      *Session
	proven bool // a check from there passed, or it is of the selected pair
	t      *Traffic
}

// maxClaims and maxUnproven bound the sessions with a claim on one address, proven or not. Each hears
// every datagram from there. Whoever lies about his address may bring about claims that are not proven.
const (
	maxClaims   = 16
	maxUnproven = 4
)

// maxLeft bounds the addresses that are remembered after a claim on them.
const maxLeft = 256

func newPort(m *Mux, sock *socket) *port {
	return &port{m: m, sock: sock, claims: make(map[netip.AddrPort][]claim), queries: make(map[[12]byte]*ServerConn)}
}

// dispatch hands out datagrams that came in together from one sender, and returns the
// runs that are left. scratch is for a list of datagrams, and comes back.
func (p *port) dispatch(runs []udpsock.Run, scratch [][]byte) (rest []udpsock.Run, _ [][]byte) {
	batch, sender := scratch[:0], runs[0].From
	from := netip.AddrPortFrom(sender.Addr().WithZone(""), sender.Port())
	for len(runs) > 0 && runs[0].From == sender && len(batch) < udpsock.MaxSegments {
		for d := range runs[0].Datagrams() {
			switch { // RFC 7983, section 7
			case len(d) == 0:
			case d[0] <= 3:
				p.handleSTUN(d, from)
			case 20 <= d[0] && d[0] <= 63:
				batch = append(batch, d)
			default:
				p.m.drops.unknown.Add(1)
			}
		}
		runs = runs[1:]
	}
	p.deliver(batch, from)
	return runs, batch
}

// deliver hands datagrams of DTLS to the sessions with a claim on where they come from.
func (p *port) deliver(batch [][]byte, from netip.AddrPort) {
	if len(batch) == 0 {
		return
	}
	claims := p.lookup(from)
	if len(claims) == 0 {
		p.m.drops.strangers.Add(uint64(len(batch)))
		return
	}
	for _, c := range claims[1:] {
		c.s.arrive(p, from, cloneAll(batch), c.t) // whoever gets a datagram may change it
	}
	claims[0].s.arrive(p, from, batch, claims[0].t)
}

func cloneAll(batch [][]byte) [][]byte {
	var c [][]byte
	for _, d := range batch {
		c = append(c, bytes.Clone(d))
	}
	return c
}

// handleSTUN hands a STUN message to the agent or the query that it is for.
func (p *port) handleSTUN(d []byte, from netip.AddrPort) {
	m, ok := stunmsg.Parse(d)
	if !ok || len(d) > maxSTUN {
		p.m.drops.malformed.Add(1)
		return
	}
	switch m.Type {
	case stunmsg.BindingRequest:
		a := p.m.addressee(m.Username)
		if a == nil || !a.request(p, d, from) {
			p.m.drops.strangers.Add(1)
		}
	case stunmsg.BindingSuccess, stunmsg.BindingError:
		if p.answer(&m, d, from) {
			return
		}
		p.handleAnswer(m.ID, d, from)
	default:
		// Indications, too: nothing proves who sent them, and an agent would take
		// them for a sign of life.
		p.m.drops.unknown.Add(1)
	}
}

// handleAnswer hands an answer to the agent that asked or, if there is none that
// remembers, to all that have asked there.
func (p *port) handleAnswer(id [12]byte, d []byte, from netip.AddrPort) {
	claims := p.lookup(from)
	for _, c := range claims {
		if conn := c.s.asker(p, id); conn != nil {
			conn.put(d, from)
			c.t.responsesReceived.Add(1)
			return
		}
	}
	taken := false
	for _, c := range claims {
		for _, a := range c.s.generations() {
			if conn := a.conn(p); conn != nil {
				put, _ := conn.put(d, from)
				taken = taken || put
			}
		}
	}
	if !taken {
		p.m.drops.strangers.Add(1)
	}
}

// answer tells whether a message is of a STUN server that was asked.
func (p *port) answer(m *stunmsg.Message, d []byte, from netip.AddrPort) bool {
	p.mu.Lock()
	q := p.queries[m.ID]
	p.mu.Unlock()
	return q != nil && q.answered(d, from)
}

// lookup returns the claims on an address; the caller does not change them.
func (p *port) lookup(from netip.AddrPort) []claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from != p.last || p.lastOf == nil {
		p.last, p.lastOf = from, p.claims[from]
	}
	return p.lastOf
}

// claim enters a session's claim on an address, or makes it a proven one. Where there are too many of its
// kind it replaces the oldest, of the proven ones one that is not in use; false if there is none.
func (p *port) claim(addr netip.AddrPort, of claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.claims[addr]
	same, limit, replaced := 0, maxUnproven, -1
	if of.proven {
		limit = maxClaims
	}
	for i, c := range old {
		if c.s == of.s && (c.proven || !of.proven) {
			return true
		}
		if c.proven == of.proven {
			same++
			if replaced < 0 && !(c.proven && c.s.sendsTo(p, addr)) {
				replaced = i
			}
		}
	}
	switch {
	case same < limit:
		replaced = -1
	case replaced < 0:
		return false
	}
	var next []claim
	for i, c := range old {
		if c.s != of.s && i != replaced {
			next = append(next, c)
		}
	}
	p.claims[addr] = append(next, of) // the newest comes last
	p.lastOf = nil
	return true
}

// proven tells whether a session has a proven claim on an address.
func (p *port) proven(addr netip.AddrPort, s *Session) bool {
	return slices.ContainsFunc(p.lookup(addr), func(c claim) bool { return c.s == s && c.proven })
}

// disclaim withdraws a session's claim.
func (p *port) disclaim(addr netip.AddrPort, s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []claim
	for _, c := range p.claims[addr] {
		if c.s != s {
			left = append(left, c)
		}
	}
	if len(left) < len(p.claims[addr]) && !slices.Contains(p.left, addr) {
		if len(p.left) < maxLeft {
			p.left = append(p.left, addr)
		} else {
			p.left[p.oldest] = addr
			p.oldest = (p.oldest + 1) % maxLeft
		}
	}
	if p.lastOf = nil; len(left) == 0 {
		delete(p.claims, addr)
		return
	}
	p.claims[addr] = left
}

// contested tells whether another session has a claim on an address, or had one lately.
func (p *port) contested(addr netip.AddrPort, s *Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.left, addr) || slices.ContainsFunc(p.claims[addr], func(c claim) bool { return c.s != s })
}
