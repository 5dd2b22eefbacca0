package sctp_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// simStart is when simulated time begins.
var simStart = time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	maxSimTime     = 24 * time.Hour // of virtual time
	maxSteps       = 3_000_000      // of a run
	maxStepsAtOnce = 20_000         // without the time moving on
	maxDrain       = 5_000          // packets or events that one call may cause
)

// A world runs two hosts over a network, in virtual time.
type world struct {
	s     *scenario
	net   *netsim.Network
	link  netsim.Link
	rogue forger
	hosts [2]*host

	tokens [2][]byte // of the hosts, exchanged by other means

	start, now time.Time
	moved      time.Time // last progress
	ended      time.Time // both hosts were finished
	steps      int
	sameTime   int // steps since the time moved on
	turned     int // turns of the network that are over
	buf        []byte
	work       int   // packets that carry each message and each command once
	err        error // the first complaint
	trace      io.Writer
	wrap       func(engine) engine
	hash       hash.Hash64 // over all that the applications saw
}

// newWorld sets the scenario up. wrap, if not nil, puts a planted bug around
// each engine; trace, if not nil, receives a line for everything that happens.
func newWorld(s *scenario, trace io.Writer, wrap func(engine) engine) (*world, error) {
	w := &world{s: s, start: simStart, now: simStart, moved: simStart, trace: trace, wrap: wrap, hash: fnv.New64a()}
	w.net = netsim.New(s.seed, simStart)
	w.rogue = forger{newDice(s.seed, 4)}
	w.link = w.net.AddLink(s.links[0], s.links[1])
	ledgers := [2]*ledger{newLedger("host 0 -> host 1"), newLedger("host 1 -> host 0")}
	for i := range w.hosts {
		h := &host{
			w: w, side: i, plan: &s.hosts[i], dice: newDice(s.seed, uint64(i)+2),
			out: ledgers[i], in: ledgers[1-i], moves: moves{dice: newDice(s.seed, uint64(i)+7)}, bundler: bundler{dice: newDice(s.seed, uint64(i)+10)},
			partial: make(map[uint16]*partialMessage), open: make(map[int]*openMessage), scratch: make([]byte, 70_000),
		}
		if err := h.begin(s.hosts[i].cfg); err != nil {
			return nil, err
		}
		w.hosts[i], w.tokens[i] = h, h.InitToken()
	}
	return w, nil
}

// run runs the scenario to its end and returns the first complaint.
func (w *world) run() error {
	for w.err == nil && !w.done() {
		w.oneStep()
	}
	w.ended = w.now
	if w.err == nil {
		w.judge()
	}
	if w.err == nil && !w.s.dying {
		w.linger()
	}
	return w.err
}

func (w *world) done() bool { return w.hosts[0].finished() && w.hosts[1].finished() }

// fail makes a complaint, which ends the run.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %v: "+format, append([]any{w.now.Sub(w.start)}, args...)...)
	}
}

// check takes over a complaint of the oracle.
func (w *world) check(l *ledger) {
	if l.fault != nil {
		w.fail("%w", l.fault)
	}
}

// progress notes that something has moved.
func (w *world) progress() { w.moved = w.now }

// note adds what an application did or saw to the hash and to the trace.
func (w *world) note(h *host, format string, args ...any) {
	head := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(w.now.Sub(w.start)))
	w.hash.Write(append(head, byte(h.side)))
	fmt.Fprintf(w.hash, format, args...)
	w.log(h, format, args...)
}

// log writes a line to the trace.
func (w *world) log(h *host, format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%12.6f %d "+format+"\n", append([]any{w.now.Sub(w.start).Seconds(), h.side}, args...)...)
	}
}

// fingerprint is a hash of the whole run.
func (w *world) fingerprint() uint64 { return w.net.TraceHash() ^ w.hash.Sum64()*3 }

// oneStep moves the time on to the next thing that happens, and lets it happen.
func (w *world) oneStep() {
	next, ok := w.net.Next()
	for _, h := range w.hosts {
		if h.timer && (!ok || h.timerAt.Before(next)) {
			next, ok = h.timerAt, true
		}
		if at, wakes := h.wake(); wakes && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	if !ok {
		w.fail("nothing left to happen, states %d and %d", w.hosts[0].State(), w.hosts[1].State())
		return
	}
	w.advance(next)
	w.turn()
	w.deliver()
	for _, h := range w.hosts {
		// Now and then a driver's timer fires for nothing.
		if h.timer && !w.now.Before(h.timerAt) || h.dice.chance(0.01) {
			h.timeouts++
			h.HandleTimeout(w.now)
			w.drain(h)
		}
		h.act()
		h.move()
		w.inspect(h)
	}
}

// advance moves the time and watches for standstill and for storms.
func (w *world) advance(next time.Time) {
	if next.After(w.now) {
		w.now = next
		w.sameTime = 0
	}
	w.steps++
	w.sameTime++
	switch {
	case w.sameTime > maxStepsAtOnce:
		w.fail("livelock: %d steps at the same time", w.sameTime)
	case w.steps > maxSteps:
		w.fail("storm: %d steps", w.steps)
	case w.now.Sub(w.start) > maxSimTime:
		w.fail("not done after %v", maxSimTime)
	case w.now.Sub(w.moved) > w.s.patience():
		w.fail("nothing has moved since %v: states %d and %d, %+v, %+v", w.moved.Sub(w.start),
			w.hosts[0].State(), w.hosts[1].State(), w.hosts[0].Stats(), w.hosts[1].Stats())
	}
	for _, h := range w.hosts {
		if h.sending && w.now.Sub(h.advanced) > w.s.patience() {
			w.fail("host %d: nothing of what it sends has moved since %v: states %d and %d, %+v, %+v", h.side, h.advanced.Sub(w.start),
				w.hosts[0].State(), w.hosts[1].State(), w.hosts[0].Stats(), w.hosts[1].Stats())
		}
	}
}

// deliver hands over the packets that have arrived.
func (w *world) deliver() {
	for w.err == nil {
		d, ok := w.net.Deliver(w.now)
		if !ok {
			return
		}
		h := w.hosts[1-int(d.Dir)]
		last := len(d.Packet) - 1
		mark := sctp.ECN(d.Packet[last] & 3)
		d.Packet = d.Packet[:last]
		if mark == sctp.ECT0 && w.rogue.chance(w.s.congestion) {
			mark = sctp.CE
		}
		if w.s.rebundle == 0 || !h.bundler.chance(w.s.rebundle) {
			w.arrive(h, d.Packet, mark)
			continue
		}
		for _, p := range h.bundler.again(d.Packet) {
			w.arrive(h, p, mark)
		}
	}
}

// arrive hands a packet over.
func (w *world) arrive(h *host, p []byte, mark sctp.ECN) {
	if w.trace != nil {
		w.log(h, "<- %s, ECN %d", describe(p), mark)
	}
	if w.rogue.chance(w.s.forge) {
		w.attack(h, w.rogue.forge(p))
	}
	h.HandlePacketECN(w.now, 0, p, mark)
	h.moves.haunt(h, p)
	for i := range p { // the engine must not have kept it
		p[i] = 0xdb
	}
	w.drain(h)
}

// turn lets the network change.
func (w *world) turn() {
	for len(w.s.turns) > w.turned && !w.now.Before(w.start.Add(w.s.turns[w.turned].at)) {
		t := w.s.turns[w.turned]
		w.turned++
		c := w.s.links[t.side]
		c.MTU = t.mtu + min(t.mtu, 1)
		w.net.SetConditions(w.link, netsim.Dir(t.side), c)
		h := w.hosts[t.side]
		w.log(h, "MTU of the link is %d, told %v", t.mtu, t.told)
		if t.told {
			h.PathChanged(w.now, 0)
			w.drain(h)
		}
	}
}

// attack lets a forged packet arrive. It may be answered.
func (w *world) attack(h *host, p []byte) {
	if w.trace != nil {
		w.log(h, "<- forged %s", describe(p))
	}
	w.work++
	before := h.State()
	h.HandlePacketECN(w.now, 0, p, sctp.NotECT)
	if after := h.State(); after != before {
		w.fail("host %d: a forged packet, %s, has moved it from state %d to %d", h.side, describe(p), before, after)
	}
	w.drain(h)
}

// drain sends what the engine has to send, takes its events and arms its timer.
func (w *world) drain(h *host) {
	for count := 0; w.err == nil; count++ {
		if count > maxDrain {
			w.fail("host %d: one call caused %d packets and events", h.side, count)
			return
		}
		sent := w.transmit(h)
		e, ok := h.NextEvent()
		if ok {
			if h.witness != nil {
				h.witness.took(e)
			}
			h.event(e)
			w.check(h.in)
			w.check(h.out)
		}
		if !ok && !sent {
			break
		}
	}
	at, ok := h.Timeout()
	if ok && at.Before(w.now.Add(-h.plan.timerSlack)) {
		w.fail("host %d: Timeout is %v in the past", h.side, w.now.Sub(at))
	}
	h.timer, h.timerAt = ok, at
	if ok && h.plan.timerSlack > 0 {
		h.timerAt = at.Add(h.dice.span(h.plan.timerSlack))
	}
}

// transmit sends the next packet, if there is one.
func (w *world) transmit(h *host) bool {
	const room = 13 // for a record header, as a driver leaves it
	mtu := h.plan.maxMTU()
	if h.buf == nil {
		h.buf = make([]byte, room, room+mtu)
		copy(h.buf, "record header")
	}
	tr, ok := h.Transmit(w.now, h.buf)
	if string(h.buf) != "record header" {
		w.fail("host %d: Transmit wrote into what dst held", h.side)
	}
	if !ok {
		return false
	}
	p := tr.Packet
	switch {
	case len(p) < 16 || len(p)%4 != 0:
		w.fail("host %d: packet of %d bytes", h.side, len(p))
	case len(p) > mtu:
		w.fail("host %d: packet of %d bytes, MTU %d", h.side, len(p), mtu)
	case &p[0] != &h.buf[:room+1][room]:
		w.fail("host %d: Transmit did not append to dst", h.side)
	case tr.Path != 0:
		w.fail("host %d: packet for path %d", h.side, tr.Path)
	}
	if w.trace != nil {
		w.log(h, "-> %s", describe(p))
	}
	h.packets++
	// The network carries the codepoint of ECN as one byte more.
	w.buf = append(append(w.buf[:0], p...), byte(tr.ECN))
	if tr.Whole {
		w.net.Send(w.now, w.link, netsim.Dir(h.side), w.buf)
	} else {
		w.net.SendFragments(w.now, w.link, netsim.Dir(h.side), w.buf)
	}
	return true
}

// inspect checks what must hold at any time.
func (w *world) inspect(h *host) {
	st := h.Stats()
	if h.witness != nil {
		h.witness.compare()
	}
	p := h.plan
	most := p.sendBuffer()
	if h.largest > most {
		most = h.largest + most/2
	}
	if h.inParts { // of a message that must be finished
		most += max(p.sendBuffer(), h.largest)
	}
	if st.SendBuffered < 0 || st.SendBuffered > most {
		w.fail("host %d: SendBuffered is %d, at most %d may be", h.side, st.SendBuffered, most)
	}
	// A packet may come in for the last byte of the window, and what fills gaps
	// may take as much again.
	most = p.receiveBuffer() + w.hosts[1-h.side].plan.maxMTU()
	if !w.s.clean || w.s.cramped {
		most += p.receiveBuffer()
	}
	if st.ReceiveBuffered < 0 || st.ReceiveBuffered > most {
		w.fail("host %d: ReceiveBuffered is %d, at most %d may be", h.side, st.ReceiveBuffered, most)
	}
	if st.LocalWindow < 0 || st.LocalWindow > p.receiveBuffer() {
		w.fail("host %d: LocalWindow is %d of %d", h.side, st.LocalWindow, p.receiveBuffer())
	}
	// The flight counts chunk headers and padding, the buffer does not.
	// Nor does the buffer hold what was sent and given up then.
	if st.FlightSize < 0 || st.FlightSize > st.SendBuffered+23*st.UnackedDataChunks && !h.closed && !h.displaced {
		w.fail("host %d: FlightSize is %d of %d buffered", h.side, st.FlightSize, st.SendBuffered)
	}
	if st.MTU > p.maxMTU() {
		w.fail("host %d: Stats.MTU is %d of %d", h.side, st.MTU, p.maxMTU())
	}
	w.look(h, &st)
	w.tight(h, &st)
	h.reclaim(st.SendBuffered)
	w.storm(h)
	if w.steps%64 != 0 {
		return
	}
	queued := 0
	for _, id := range h.out.order {
		queued += h.BufferedAmount(id)
	}
	if queued < 0 || queued > st.SendBuffered || queued != st.QueuedBytes {
		w.fail("host %d: BufferedAmount is %d in all, QueuedBytes %d, SendBuffered %d", h.side, queued, st.QueuedBytes, st.SendBuffered)
	}
}

// storm complains about more packets or timeouts than the work can explain, and the
// heartbeats of the associations that the host has.
func (w *world) storm(h *host) {
	elapsed := w.now.Sub(w.start)
	most := 200 + 10*w.work + 10*(1+h.plan.neighbours)*int(elapsed/time.Second) + w.s.heartbeats(elapsed)
	if h.packets > most || h.timeouts > most {
		w.fail("host %d: storm: %d packets, %d timeouts for work of %d packets", h.side, h.packets, h.timeouts, w.work)
	}
}

// judge checks the end.
func (w *world) judge() {
	if w.s.aborts() || w.s.dying {
		w.judgeHard()
		return
	}
	for _, h := range w.hosts {
		if h.closeErr != nil {
			w.fail("host %d: ended with %v, not gracefully", h.side, h.closeErr)
		}
		if st := h.Stats(); st.SendBuffered != 0 || st.ReceiveBuffered != 0 || st.FlightSize != 0 {
			w.fail("host %d: ended and still holds something: %+v", h.side, st)
		}
		h.out.finish()
		if w.s.neverSpurious() {
			h.out.finishClean()
		}
		w.check(h.out)
	}
}

// judgeHard checks an end in which a host wanted to abort, or the network was
// gone. A host may have been faster with another end.
func (w *world) judgeHard() {
	for _, h := range w.hosts {
		if !h.closed { // it waited for a peer of which nothing came
			continue
		}
		var own *sctp.AbortedError
		var peer *sctp.PeerAbortError
		switch {
		case h.closeErr == nil || errors.As(h.closeErr, &own):
		case errors.As(h.closeErr, &peer):
			if peer.Code != 12 && w.s.clean || peer.Code == 12 && peer.Info != abortReason {
				w.fail("host %d: ended with %v", h.side, h.closeErr)
			}
		case !w.s.clean && (errors.Is(h.closeErr, sctp.ErrHandshakeTimeout) || errors.Is(h.closeErr, sctp.ErrPeerUnreachable)):
			// The ABORT was lost, and what ended does not answer everything.
		default:
			w.fail("host %d: ended with %v", h.side, h.closeErr)
		}
	}
}

// linger lets the packets still on their way arrive. The ended associations
// must stay quiet, apart from answers to stray packets.
func (w *world) linger() {
	for count := 0; w.err == nil; count++ {
		at, ok := w.net.Next()
		if !ok {
			break
		}
		if count > 10_000 {
			w.fail("packets after the end breed")
		}
		w.now = at
		w.deliver()
	}
	for _, h := range w.hosts {
		if at, ok := h.Timeout(); ok {
			w.fail("host %d: ended with a timer at %v", h.side, at.Sub(w.start))
		}
	}
}

// neverSpurious tells whether nothing, not even a timer, can make a host send
// a chunk twice, so that a limit on retransmissions stops no message.
func (s *scenario) neverSpurious() bool {
	if !s.clean || s.cramped || s.fallsBack() {
		return false
	}
	for i := range s.hosts {
		p, peer := &s.hosts[i], &s.hosts[1-i]
		ack := s.links[0].Latency + s.links[1].Latency + orDefault(peer.cfg.SackDelay, 200*time.Millisecond)
		if orDefault(p.cfg.RTOMin, time.Second) < ack+100*time.Millisecond || p.pause > 0 {
			return false
		}
		bytes := 0
		for _, a := range p.script {
			if a.do == doReconfig { // during an association reset DATA is not taken
				return false
			}
			bytes += a.size
			if a.open > 0 || a.msg.Reliability.LimitLifetime || a.msg.Reliability.LimitPriority {
				return false
			}
		}
		if bytes > peer.receiveBuffer()/2 {
			return false
		}
	}
	return true
}
