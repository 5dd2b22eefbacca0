package interop

import (
	"sync"
	"sync/atomic"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// WebRTC has both sides begin the handshake of SCTP (RFC 8841, section 9.3). This file has one
// of them begin alone: what the other begins with is lost on the way.

// An initWatch is told what this side sends and receives, and keeps what it sees of INITs.
type initWatch struct {
	mu             sync.Mutex
	sent, received inits
}

// inits are the INITs that went one way.
type inits struct{ count, size int } // bytes of the packet

func (w *initWatch) Trace(e sctp.TraceEvent) {
	const typeAt, typeInit = 12, 1
	if e.Kind != sctp.TracePacketSent && e.Kind != sctp.TracePacketReceived || len(e.Packet) <= typeAt || e.Packet[typeAt] != typeInit {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	way := &w.sent
	if e.Kind == sctp.TracePacketReceived {
		way = &w.received
	}
	way.count++
	way.size = len(e.Packet)
}

// seen returns what was.
func (w *initWatch) seen() (sent, received inits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent, w.received
}

// A silencer loses the INITs of a side, which it knows by their size, as everything is encrypted, and of ours
// also by how many there were.
type silencer struct {
	side      int // of the relay
	inits     func() inits
	connected atomic.Bool // nothing is lost any more
	lost      atomic.Int32
}

// loses says whether a packet from a side is lost.
func (s *silencer) loses(from int, packet []byte) bool {
	const applicationData = 23
	const overhead = 13 + 8 + 16 // header, nonce and tag of a record of DTLS 1.2 with AES-GCM
	if s == nil || from != s.side || s.connected.Load() || len(packet) == 0 || packet[0] != applicationData {
		return false
	}
	if is := s.inits(); len(packet) != is.size+overhead || int(s.lost.Load()) >= is.count {
		return false
	}
	s.lost.Add(1)
	return true
}

// initiators has each side begin alone, in roles of which roles has the possible ones. A peer may begin in one of
// them only, and then answers in the other; where it always begins its INIT is lost, or ours.
func initiators(c *conversation, roles []setup) {
	c.stack.noSNAP = true // which is without INITs
	defer func() { c.stack.noSNAP = false }()
	exchange := func() (sent, received inits) {
		c.exchange(first, false, batch{from: 1, count: 1, size: 100})
		return c.stack.watch().seen()
	}
	alone := func(s setup, silent *side, what func() inits) (sent, received inits) {
		c.t.Helper()
		s.network, s.silencer = &netsim.Conditions{}, &silencer{inits: what}
		if (silent == c.us) == s.theyOffer {
			s.silencer.side = 1 // who answers
		}
		c.connect(s)
		s.silencer.connected.Store(true)
		sent, received = exchange()
		if s.silencer.lost.Load() == 0 {
			c.t.Errorf("%s sent no INIT that could be lost", silent.name)
		}
		return sent, received
	}
	var both *setup
	answered := false // they did nothing else
	for _, s := range roles {
		c.connect(s)
		switch _, received := exchange(); {
		case received.count == 0:
			answered = true
		case both == nil:
			both = &s
		}
	}
	if both == nil {
		c.out.note("it never begins the handshake of SCTP")
		return
	}
	_, theirs := alone(*both, c.us, func() inits { sent, _ := c.stack.watch().seen(); return sent })
	if theirs.count == 0 {
		c.t.Error("they were to begin alone and did not")
	}
	if !answered {
		theirs.count = 1 << 30
		if sent, received := alone(*both, c.them, func() inits { return theirs }); sent.count == 0 || received.count > 0 {
			c.t.Errorf("we were to begin alone: %d INITs sent, %d received", sent.count, received.count)
		}
	}
}
