package sctp_test

import (
	"math"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A cramped scenario is one in which memory is short, so that what may stand in the way of what
// else does: buffers of a few chunks, short messages among such as come in fragments and among
// others in parts, on few streams, mostly unordered, and readers with habits. It is small, so that
// many can be run.

// habits are the ways of a reader who is not always after everything at once.
type habits struct {
	nibbles  float64       // chance to read with a buffer of a few bytes
	neglects float64       // chance after each message to leave its stream alone for a while
	neglect  time.Duration // longest such while
}

// drawCramped makes some scenarios cramped.
func (s *scenario) drawCramped(d dice) {
	if !d.chance(0.4) {
		return
	}
	s.cramped = true
	both := d.chance(0.7)
	side := d.IntN(2)
	for i := range s.hosts {
		p := &s.hosts[i]
		if both || i == side {
			s.cramp(d, &p.cfg)
		}
		p.habits = habits{nibbles: pick(d, 0, 0, 0.1, 0.7), neglects: pick(d, 0, 0, 0.05, 0.3), neglect: d.span(pick(d, 100*time.Millisecond, 4*time.Second))}
		p.streams = p.streams[:0]
		for range d.between(1, 4) {
			p.streams = append(p.streams, uint16(d.IntN(5)))
		}
		var end []action
		if n := len(p.script); n > 0 && p.script[n-1].do >= doShutdown {
			end = p.script[n-1:]
		}
		p.script = append(drawBursts(d, p), end...)
	}
	if !s.clean {
		s.drawMess(d)
	}
}

// cramp draws small buffers, and what else has to do with what is kept and for how long.
func (s *scenario) cramp(d dice, cfg *sctp.Config) {
	cfg.ReceiveBuffer = pick(d, 4096, 4096, 4100, 6000, 8192, 16<<10)
	cfg.SendBuffer = pick(d, 0, 0, 1, 700, 4096, 8192, 64<<10, 64<<10)
	if cfg.Frugal = d.chance(0.75); cfg.Frugal {
		cfg.NRSACK = false
	}
	cfg.HeartbeatInterval = pick(d, 0, -1, 15*time.Millisecond, 60*time.Millisecond, 300*time.Millisecond)
	if cfg.HeartbeatInterval < 0 && (s.dying || s.aborts()) { // nobody would ever notice
		cfg.HeartbeatInterval = 0
	}
	if cfg.RTOMax == 0 { // what is sent in vain to a full buffer is sent again, and again
		cfg.RTOMax = 2 * time.Second
		cfg.RTOInitial = min(cfg.RTOInitial, cfg.RTOMax)
	}
}

// drawBursts draws the traffic of a host: bursts of messages, and pauses between them in which it may
// come to rest.
func drawBursts(d dice, p *plan) []action {
	var script []action
	unordered, limited := pick(d, 0, 0.5, 0.9, 1, 1), pick(d, 0, 0, 0.05, 0.5)
	short, single := pick(d, 0.2, 0.7, 0.9, 0.95), pick(d, 0, 0.9, 1)
	reset, reconfig := pick(d, 0, 0, 0.02), pick(d, 0, 0, 0, 0.02)
	longest := pick(d, 3000, 6000, 40_000)
	pause := pick(d, 50*time.Millisecond, time.Second, 4*time.Second)
	budget := d.scale(2000, 200_000) // bytes
	for budget > 0 && len(script) < 400 {
		wait, stream := d.span(pause), d.IntN(len(p.streams))
		for range d.scale(1, 120) {
			a := action{wait: wait, stream: stream, count: 1}
			if wait = 0; !d.chance(single) {
				a.stream = d.IntN(len(p.streams))
			}
			switch {
			case d.chance(reset):
				a.do = doReset
			case d.chance(reconfig):
				a.do, a.size, a.count = doReconfig, d.IntN(3), d.IntN(16)
			case d.chance(0.03):
				a.do, a.size = doPriority, d.scale(1, 65536)-1
			default:
				if a.size = d.between(1, 60); !d.chance(short) {
					a.size = d.scale(1, longest)
				}
				a.msg.Unordered, a.msg.Immediate = d.chance(unordered), a.size%7 == 0
				if d.chance(limited) {
					a.msg.Reliability = drawReliability(d)
				}
				budget -= max(a.size, 64)
			}
			script = append(script, a)
		}
	}
	return script
}

// drawMess makes a network worse: packets that come more than a window later than those behind them,
// and chunks that do not come in the packets in which they were sent.
func (s *scenario) drawMess(d dice) {
	for i := range s.links {
		c := &s.links[i]
		switch d.IntN(4) {
		case 0:
			c.Reorder, c.ReorderDelay = 0.6*d.Float64(), time.Millisecond+d.span(3*time.Second)
		case 1:
			c.Loss = max(c.Loss, 0.25*d.Float64())
		}
	}
	s.rebundle = pick(d, 0, 0, 0.05, 0.5)
}

// heartbeats is how many packets with HEARTBEATs and their answers a host may send in a while, beside
// what any may.
func (s *scenario) heartbeats(elapsed time.Duration) (n int) {
	for i := range s.hosts {
		cfg := &s.hosts[i].cfg
		if cfg.HeartbeatInterval > 0 && cfg.HeartbeatInterval < 300*time.Millisecond {
			n += 2 * int(elapsed/cfg.HeartbeatInterval)
		}
	}
	return n
}

// A flow is how far what a host sends has come.
type flow struct {
	sending  bool      // something is on its way
	advanced time.Time // when it last was nearer to its reader
	unsent   int       // least of SendBuffered since something was sent or read
	unread   int       // most of the ReceiveBuffered of the peer
}

// advance notes that something was sent or read.
func (h *host) advance() {
	h.flow = flow{advanced: h.w.now, unsent: math.MaxInt, unread: -1, sending: h.sending}
}

// look notes whether something has moved. What comes and goes again has not.
func (w *world) look(h *host, st *sctp.Stats) {
	peer := w.hosts[1-h.side]
	h.sending = st.SendBuffered > 0 && !h.closed
	if !h.sending {
		h.advanced = w.now
	} else if st.SendBuffered < h.unsent {
		h.advanced, h.unsent = w.now, st.SendBuffered
		w.progress()
	}
	if st.ReceiveBuffered > peer.unread {
		peer.advanced, peer.unread = w.now, st.ReceiveBuffered
		w.progress()
	}
}

// tight checks what holds of memory where it is short, and now and then that all that the engine counts
// is so.
func (w *world) tight(h *host, st *sctp.Stats) {
	p := h.plan
	if limit := p.receiveBuffer(); p.cfg.Frugal && (st.ReceiveBuffered >= limit+w.hosts[1-h.side].plan.maxMTU() || (st.UnreadDataChunks-1)*256 > limit) {
		w.fail("host %d: %d bytes in %d chunks, %d are allowed", h.side, st.ReceiveBuffered, st.UnreadDataChunks, limit)
	}
	if w.steps%16 != 0 || !w.s.cramped && w.steps%256 != 0 {
		return
	}
	a, _ := h.engine.(*sctp.Association)
	if e, ok := h.engine.(*endpointEngine); ok {
		a = e.a
	}
	if a == nil {
		return
	}
	if bad := a.Invariants(w.now); bad != "" {
		w.fail("host %d: %s", h.side, bad)
	}
}

// holds tells whether a stream is left alone now.
func (h *host) holds(id uint16) bool { return h.w.now.Before(h.left[id]) }

// attended returns the streams that are readable and not left alone.
func (h *host) attended() (ids []uint16) {
	if h.left == nil {
		return h.readable
	}
	for _, id := range h.readable {
		if !h.holds(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// leave has a stream left alone for a while now and then.
func (h *host) leave(id uint16) {
	p := &h.plan.habits
	if p.neglects == 0 || !h.dice.chance(p.neglects) {
		return
	}
	if h.left == nil {
		h.left = make(map[uint16]time.Time)
	}
	h.left[id] = h.w.now.Add(h.dice.span(p.neglect))
}

// readAt returns when the next of the streams that are readable is to be read.
func (h *host) readAt() time.Time {
	var at time.Time
	for i, id := range h.readable {
		if t := h.left[id]; i == 0 || t.Before(at) {
			at = t
		}
	}
	if at.Before(h.resumeAt) {
		at = h.resumeAt
	}
	return at
}

// drop takes a stream off those that are readable.
func (h *host) drop(id uint16) {
	i := slices.Index(h.readable, id)
	h.readable = slices.Delete(h.readable, i, i+1)
}

// prioritize gives a stream another priority, whatever waits there.
func (h *host) prioritize(a *action) {
	id := h.streamID(a.stream)
	h.w.note(h, "SetStreamPriority stream %d %d", id, a.size)
	if err := h.SetStreamPriority(id, uint16(a.size)); err != nil {
		h.w.fail("host %d: SetStreamPriority: %v", h.side, err)
	}
}
