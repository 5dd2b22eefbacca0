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

// maxClaims bounds the sessions with a claim on one address.
const maxClaims = 4

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

// claim enters a session's claim on an address, or makes it a proven one. Where too
// many have one, it replaces one that is weaker or not in use, or one that is no better
// and the oldest of its kind; false if there is none.
func (p *port) claim(addr netip.AddrPort, of claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.claims[addr]
	i := slices.IndexFunc(old, func(c claim) bool { return c.s == of.s })
	if i >= 0 && (old[i].proven || !of.proven) {
		return true
	}
	if i < 0 && len(old) < maxClaims {
		i = len(old)
	}
	if i < 0 {
		i = slices.IndexFunc(old, func(c claim) bool { return !c.proven })
	}
	if i < 0 && of.proven {
		i = slices.IndexFunc(old, func(c claim) bool { return !c.s.sendsTo(p, addr) })
	}
	if i < 0 {
		return false
	}
	next := slices.Clone(old[:min(i, len(old))])
	if i < len(old) {
		next = append(next, old[i+1:]...)
	}
	next = append(next, of) // the newest comes last
	p.claims[addr] = next
	p.lastOf = nil
	return true
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
	if p.lastOf = nil; len(left) == 0 {
		delete(p.claims, addr)
		return
	}
	p.claims[addr] = left
}
