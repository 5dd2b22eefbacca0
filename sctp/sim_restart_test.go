package sctp_test

import (
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// What happens when a host is started again (RFC 9260, section 5.2.4): its association
// and its application begin anew and know nothing; the peer is told, keeps what it
// received, and goes on with streams that start anew, too. Each such life has ledgers
// of its own. Of what was sent in an earlier one nothing need arrive, but what does
// must still be right.

// pastLives are what the peer of a host sent to it, in several lives.
type pastLives struct {
	ledgers []*ledger         // of lives that are over, in order
	ends    []map[uint16]bool // of each: streams that end with it, and whose end was not read
	passed  map[uint16]int    // by stream: ledgers that nothing more may come from
}

// settled tells whether a host may be started again: both know of the last time.
func (w *world) settled() bool {
	for _, h := range w.hosts {
		if !h.connected || h.shutting || h.closed || h.nextIn != nil {
			return false
		}
	}
	return true
}

// restart starts the host again, if that is possible now.
func (h *host) restart() {
	if !h.w.settled() {
		return
	}
	h.w.note(h, "is started again")
	cfg := h.plan.cfg
	for i := range cfg.Seed {
		cfg.Seed[i] = byte(h.dice.Uint32())
	}
	if err := h.begin(cfg); err != nil {
		h.w.fail("host %d: %v", h.side, err)
		return
	}
	peer := h.w.hosts[1-h.side]
	h.in.over, h.out.over = true, true
	h.in, h.out = h.in.following(), h.out.following()
	peer.nextIn, peer.nextOut = h.out, h.in
	h.past = pastLives{}
	h.started, h.connected, h.full, h.resetting = true, false, false, false
	h.readable, h.partial, h.sent = nil, make(map[uint16]*partialMessage), nil
	h.open, h.loans = make(map[int]*openMessage), nil
	h.w.work += 100
	h.w.progress()
	if err := h.Connect(h.w.now); err != nil {
		h.w.fail("host %d: Connect: %v", h.side, err)
	}
}

// restarted takes note that the peer was started again.
func (h *host) restarted() {
	if h.nextIn == nil {
		h.w.fail("host %d: restart reported, and nobody has", h.side)
		return
	}
	ends := make(map[uint16]bool)
	for _, l := range append(h.past.ledgers[:len(h.past.ledgers):len(h.past.ledgers)], h.in) {
		for _, id := range l.order {
			if h.InUse(id) {
				ends[id] = true
			}
		}
	}
	h.past.ledgers, h.past.ends = append(h.past.ledgers, h.in), append(h.past.ends, ends)
	h.in, h.out, h.nextIn, h.nextOut = h.nextIn, h.nextOut, nil, nil
	h.resetting = false
	h.open = make(map[int]*openMessage)
	h.stepAt = h.w.now
	h.w.progress()
}

// source returns the ledger of a message that was read on a stream.
func (h *host) source(stream uint16, ppid uint32) *ledger {
	p := &h.past
	for i, l := range append(p.ledgers[:len(p.ledgers):len(p.ledgers)], h.in) {
		if !l.has(ppid) && i < len(p.ledgers) {
			continue
		}
		if i < p.passed[stream] {
			h.w.fail("host %d: stream %d: a message of a life before the last end", h.side, stream)
		}
		for ; p.passed[stream] < i; p.pass(stream) {
			if p.ends[p.passed[stream]][stream] {
				h.w.fail("host %d: stream %d: a message of a new life before the end of the old one", h.side, stream)
			}
		}
		return l
	}
	return h.in
}

// pass goes on to the next life on a stream.
func (p *pastLives) pass(stream uint16) {
	if p.passed == nil {
		p.passed = make(map[uint16]int)
	}
	p.passed[stream]++
}

// end takes io.EOF: of a reset of the stream, or of the life in which it was used.
func (h *host) end(stream uint16) {
	p := &h.past
	for ; p.passed[stream] < len(p.ledgers); p.pass(stream) {
		i := p.passed[stream]
		l := p.ledgers[i]
		if s := l.stream(stream); s.ends < s.reported {
			l.ended(stream)
			h.w.check(l)
			return
		}
		if p.ends[i][stream] {
			p.pass(stream)
			return
		}
	}
	h.in.ended(stream)
}

// drawRestarts puts restarts into the scripts. With tokens a host may be connected that
// its peer has not heard of, and so cannot tell a restart from a beginning.
func (s *scenario) drawRestarts(d dice) {
	if s.aborts() || s.dying || s.hosts[0].token || s.hosts[1].token || !d.chance(0.2) {
		return
	}
	for range d.between(1, 3) {
		p := &s.hosts[d.IntN(2)]
		if n := len(p.script); n > 1 {
			at := d.IntN(n - 1)
			again := action{do: doRestart, wait: d.span(pick(d, 0, 0, 100*time.Millisecond, 3*time.Second))}
			p.script = slices.Insert(p.script, at, again)
		}
	}
}

// restarts tells whether a host is started again in the scenario.
func (s *scenario) restarts() bool {
	for _, p := range s.hosts {
		for _, a := range p.script {
			if a.do == doRestart {
				return true
			}
		}
	}
	return false
}

// begin gives a host its engine.
func (h *host) begin(cfg sctp.Config) (err error) {
	h.witness = nil
	switch {
	case h.plan.endpoint:
		h.engine, err = newEndpointEngine(h.w, h.plan, cfg)
	case h.w.wrap == nil:
		h.witness = &witness{h: h, lost: make(map[uint32]uint64)}
		cfg.Trace = h.witness
		fallthrough
	default:
		h.engine, err = sctp.New(cfg)
	}
	if err == nil && h.w.wrap != nil {
		h.engine = h.w.wrap(h.engine)
	}
	return err
}
