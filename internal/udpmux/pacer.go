package udpmux

import (
	"net/netip"
	"time"
)

// pacer thins out connectivity checks that stay unanswered. The agent repeats
// each at its check interval of 20 ms for as long as it connects; that finds a
// path fast, but would be a flood for the half minute until it gives up. Here
// the first checks to an address pass, later ones at growing distance. An
// incoming check starts again from the beginning: the peer is there now.
type pacer struct {
	paths map[netip.AddrPort]*pace
}

type pace struct {
	sent int
	last time.Time
}

// maxPaces bounds the addresses a pacer remembers.
const maxPaces = maxAddresses

// gap is the least distance between the check numbered sent and the next.
func (p *pace) gap() time.Duration {
	switch {
	case p.sent < 10:
		return 0
	case p.sent < 30:
		return 100 * time.Millisecond
	default:
		return 500 * time.Millisecond // RFC 8445, section 14.3: RTO of at least 500 ms
	}
}

func (p *pacer) allow(now time.Time, to netip.AddrPort) bool {
	s := p.paths[to]
	if s == nil {
		if len(p.paths) >= maxPaces {
			return true
		}
		if p.paths == nil {
			p.paths = make(map[netip.AddrPort]*pace)
		}
		s = &pace{}
		p.paths[to] = s
	}
	if s.sent > 0 && now.Sub(s.last) < s.gap() {
		return false
	}
	s.sent++
	s.last = now
	return true
}

func (p *pacer) heard(from netip.AddrPort) {
	if s := p.paths[from]; s != nil {
		s.sent = 0
	}
}
