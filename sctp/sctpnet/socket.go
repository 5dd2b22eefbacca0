package sctpnet

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// socket is a UDP socket with the Conns on it, which share its lock, its reading
// goroutine and its timer (RFC 6951). What a Conn settles, the socket settles for
// all: it carries out the events of all, and sends the packets of all, on the
// goroutine that caused them. A call that waits may read in place of the reading
// goroutine (lead).
//
// The socket is closed once nobody listens on it and its last Conn has let go.
type socket struct {
	udp *udpsock.Socket
	log *slog.Logger

	mu       sync.Mutex // guards everything below, and the Conns
	ep       *sctp.Endpoint
	cfg      Config // of Conns that peers initiate
	conns    connTable
	nobody   carrier   // of the Conns: they have no net.Conn
	listener *Listener // nil: nobody listens (any more)
	owner    *Conn     // of Dial: it is done when the socket is

	ended   connQueue // over, with packets perhaps to be sent
	pending connQueue // with events for OnEvent
	full    *Conn     // one with too many of them, while reading pauses for it
	watched []*Conn   // those that publish their statistics
	turn    int       // of them

	timer     timer
	lead      lead          // who reads
	reader    reader        // its counts of failed reads
	out       *batch        // what a goroutine is writing; nil: none is
	taken     *batch        // datagrams to send before all others, or nil: see take
	left      bool          // there may be more to send: others have left it, or an event
	unheard   int           // batches that callers have sent since something came in
	drainer   func()        // drain
	draining  bool          // it is about to run
	fragments fragmentation // for that one
	failure   error         // nothing can be sent or received any more
	closed    bool
	holds     int // the keeper, an armed or running timer
}

// drainAfter is how many batches goroutines of the application send before something
// comes in. Calls beyond that leave what they give rise to to a goroutine made for it: while that
// one writes, what others have to send gathers, and small messages share packets, for a
// quarter of the processor time. Who asks and waits for the answer always sends himself.
const drainAfter = 2

// socketBuffer is the size asked of the system for the buffers of a UDP socket, in
// bytes: those who send at a time may be many.
const socketBuffer = 4 << 20

// newSocket returns a socket without an endpoint, on which nothing runs yet; pc belongs
// to it unless there is an error. cfg is changed to what is possible there.
func newSocket(pc udpsock.PacketConn, cfg *Config) (*socket, error) {
	udp := udpsock.New(pc)
	if cfg.SCTP.ECN && udp.ReceiveECN() != nil {
		return nil, &sctp.ConfigError{Field: "ECN", Rule: "is not possible on sockets of this system"}
	}
	udp.SetBuffers(socketBuffer, socketBuffer)
	s := &socket{udp: udp, fragments: newFragmentation(udp, &cfg.SCTP), log: cfg.Logger}
	s.cfg = *cfg
	s.timer.init(s.onTimer)
	s.lead.init(udp.HasReadDeadline())
	s.drainer = s.drain
	return s, nil
}

// delay lets datagrams gather in the socket. It is called before start, and the PacketConn must not be used
// any more unless there is an error.
func (s *socket) delay(d time.Duration) error {
	if err := s.udp.DelayReceive(d); err != nil {
		return err
	}
	s.lead.possible = s.udp.HasReadDeadline()
	return nil
}

// start starts the reading goroutine.
func (s *socket) start() {
	s.holds++
	go s.keep()
}

// add makes the Conn of an association.
func (s *socket) add(id sctp.AssociationID) *Conn {
	c := newConn(&s.cfg, s.ep.Association(id), &s.mu, &s.nobody)
	c.sock, c.id, c.remote = s, id, s.ep.RemoteAddr(id)
	s.conns.put(c)
	return c
}

// settle does what calls into the endpoint gave rise to. The lock is held on entry
// and on return; in between it is released to send and to run OnEvent.
func (s *socket) settle(now time.Time, by actor) {
	s.collect(now)
	sent := s.flush(now, by)
	s.armTimer(now)
	s.conclude()
	if sent {
		s.closeUnused()
	}
	s.dispatch(by)
}

// collect takes the events of all associations and carries them out. It tells whether
// there may be more to send for it.
func (s *socket) collect(now time.Time) (more bool) {
	for {
		ev, ok := s.ep.NextEvent()
		if !ok {
			return more
		}
		c := s.conns.get(ev.ID)
		if c == nil {
			if c = s.accept(now, ev); c == nil {
				more = true
				continue
			}
		}
		if c.handleEvent(now, ev.Event) {
			s.ep.Update(ev.ID)
			more = true
		}
		if ev.Kind == sctp.EventClosed {
			s.ended.push(c)
		}
		if n := c.events.len(); n == 1 {
			s.pending.push(c)
		} else if n > maxEvents {
			s.full = c
		}
	}
}

// accept makes the Conn of an association that a peer initiated, if there is a
// listener to take it.
func (s *socket) accept(now time.Time, ev sctp.EndpointEvent) *Conn {
	a := s.ep.Association(ev.ID)
	if ev.Kind != sctp.EventConnected || a == nil {
		return nil
	}
	if s.listener != nil {
		c := s.add(ev.ID)
		if s.listener.offer(c) {
			return c
		}
		s.conns.remove(c)
	}
	a.Abort(now, "nobody accepts")
	s.ep.Update(ev.ID)
	return nil
}

// flush sends what there is to send, or leaves it to another goroutine. It tells
// whether everything is sent. The lock is held, and released while writing.
func (s *socket) flush(now time.Time, by actor) bool {
	switch {
	case s.closed, s.failure != nil:
		return true
	case s.out != nil:
		s.left = true
		return false
	case by == aCaller && s.unheard >= drainAfter && s.ended.len() == 0: // last words leave with the call
		s.startDrain()
		return false
	}
	sent := false
	mtu := roomFor(&s.cfg.SCTP)
	b := s.taken
	if s.taken = nil; b == nil {
		b = newBatch(mtu, 0, 0)
	}
	s.out = b
	for round := 0; ; round++ {
		if by.borrowed() && round == maxRounds {
			s.startDrain()
			break
		}
		s.left = false
		more := s.fill(now, b, mtu)
		if s.failure != nil || s.closed || len(b.packets) == 0 && !s.left {
			sent = true
			break
		}
		if len(b.packets) == 0 {
			continue
		}
		if by == aCaller {
			s.unheard++
		}
		s.mu.Unlock()
		err := s.write(b)
		s.mu.Lock()
		b.reset()
		if sent = !more && !s.left && err == nil; sent {
			break
		}
		now = time.Now()
		if err != nil {
			s.fail(now, "write", err)
		}
		s.conclude() // others may have so much to send that this goes on and on
	}
	s.out = nil
	b.free()
	return sent
}

// startDrain has a goroutine send what there is to send.
func (s *socket) startDrain() {
	if !s.draining {
		s.draining = true
		s.holds++
		go s.drainer()
	}
}

// drain is a goroutine that sends what callers have left to it.
func (s *socket) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = false
	s.settle(time.Now(), aWriter)
	s.drop()
}

// fill takes the next datagrams from the endpoint, and the events that this gives
// rise to. It tells whether there may be more.
func (s *socket) fill(now time.Time, b *batch, mtu int) (more bool) {
	for more = true; more; {
		dst, ok := b.next(mtu)
		if !ok {
			break
		}
		var d sctp.Datagram
		if d, more = s.ep.Transmit(now, dst); more {
			b.addTo(&d)
		}
	}
	if s.collect(now) {
		s.left = true
	}
	s.publish(now)
	return more
}

// take takes the datagrams that the endpoint would send now, up to the first to a peer, for the batch that
// goes out first when the socket is settled. Until then the lock is not released.
func (s *socket) take(now time.Time, to netip.AddrPort) {
	if s.out != nil || s.failure != nil {
		return // flush would leave it to others, or to nobody
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	mtu := roomFor(&s.cfg.SCTP)
	if s.taken == nil {
		s.taken = newBatch(mtu, 0, 0)
	}
	for dst, ok := s.taken.next(mtu); ok; dst, ok = s.taken.next(mtu) {
		d, more := s.ep.Transmit(now, dst)
		if !more {
			return
		}
		if s.taken.addTo(&d); d.To == to {
			return
		}
	}
}

// write writes datagrams without the lock. Those that the socket refuses are lost;
// it returns the error of a socket that is gone.
func (s *socket) write(b *batch) error {
	for i, packet := range b.packets {
		b.out[i].Data = packet
	}
	out, whole := b.out, b.whole
	for len(out) > 0 {
		n := sameWhole(whole)
		s.fragments.apply(whole[0], s.log)
		switch sent, err := s.udp.Send(out[:n]); {
		case err == nil:
		case fatalWrite(err):
			return err
		default:
			s.log.Debug("socket lost packets", "count", n-sent, "error", err)
		}
		out, whole = out[n:], whole[n:]
	}
	return nil
}

// fail ends all associations because the socket failed.
func (s *socket) fail(now time.Time, op string, err error) {
	if s.closed || s.failure != nil {
		return
	}
	s.failure = &TransportError{op, err}
	if s.listener != nil {
		s.listener.end(now, s.failure)
	}
	var all []*Conn
	for c := range s.conns.all() {
		all = append(all, c)
	}
	for _, c := range all {
		c.fail(now, op, err)
	}
}

// isSending tells whether packets of a Conn are just being written.
func (s *socket) isSending(c *Conn) bool { return s.out != nil && slices.Contains(s.out.ids, c.id) }

// conclude lets go of the Conns that have ended, and have sent their last packet. It stops at the first that has not: thousands
// may end together, those behind it have their turn to send later, as a rule, and who sends comes here again.
func (s *socket) conclude() {
	for s.ended.len() > 0 {
		// The endpoint keeps an association that has ended as long as it has something to
		// send, or was handed over.
		c := s.ended.first()
		if s.failure == nil && (s.isSending(c) || !c.life.kept && s.ep.Association(c.id) != nil) {
			return
		}
		s.ended.pop()
		c.release()
		c.checkDone()
	}
}

// forget takes out a Conn that is released.
func (s *socket) forget(c *Conn) {
	s.conns.remove(c)
	if p := c.published.Load(); p != nil { // it is watched: the last one takes its place
		end := len(s.watched) - 1
		last := s.watched[end]
		s.watched[p.place], s.watched[end] = last, nil
		last.published.Load().place = p.place
		s.watched = s.watched[:end]
	}
}

// closeUnused closes a socket that nobody uses any more.
func (s *socket) closeUnused() {
	if s.closed || s.listener != nil || s.conns.n > 0 || s.ended.len() > 0 {
		return
	}
	s.closed = true
	s.holds -= s.timer.stop()
	if err := s.udp.Close(); err != nil {
		s.log.Debug("closing the socket", "error", err)
	}
	s.callBack() // to end
	s.checkDone()
}

// dispatch runs OnEvent for the Conns that have events.
func (s *socket) dispatch(by actor) {
	for s.pending.len() > 0 {
		c := s.pending.first()
		s.pending.pop()
		c.dispatch(by)
		if c.events.len() > 0 && !c.events.busy { // the timer's goroutine goes on
			s.pending.push(c)
			return
		}
		c.checkDone()
	}
}

// handleRead takes what was read, and returns the number of datagrams. What came in
// together is answered together.
func (s *socket) handleRead(runs []udpsock.Run, err error, by actor) (n int) {
	if s.closed {
		return 0
	}
	now := time.Now()
	s.lead.now, s.lead.served = now, false
	switch {
	case err == nil:
		s.reader.passing, s.unheard = 0, 0
		s.reader.answers.came(now)
		for i := range runs {
			s.conns.touch(s.ep.Expect(runs[i].Data))
		}
		first, all := 0, 0 // of a peer
		for i := range runs {
			if first == all {
				first, all = 0, count(runs[i:])
			}
			for packet := range runs[i].Datagrams() {
				s.ep.HandlePacketECN(now, runs[i].From, packet, sctp.ECN(runs[i].ECN))
				n++
				if first++; s.reader.answers.growing(first, all) {
					s.take(now, runs[i].From)
				}
			}
		}
		s.lookAhead(now)
	case passingRead(err) && !s.reader.failed(now):
		s.log.Debug("reading the socket", "error", err)
	default:
		s.fail(now, "read", err)
	}
	s.settle(now, by)
	return n
}

// lookAhead has the endpoint postpone what will not be due, before the timer comes close: a goroutine of the timer
// costs more than what it does, and takes the lock from the reader.
func (s *socket) lookAhead(now time.Time) {
	if at, ok := s.ep.Timeout(); ok && at.Sub(now) < renewTime {
		s.ep.HandleTimeout(now)
	}
}

// awaitEvents waits as long as OnEvent lags behind, and tells whether to read then.
func (s *socket) awaitEvents() bool {
	for s.full != nil && !s.closed {
		if c := s.full; c.events.len() > maxEvents && !c.life.isOver {
			c.events.room.Wait()
			continue
		}
		s.full = nil
	}
	return !s.gone()
}

// gone tells whether nothing can be received any more.
func (s *socket) gone() bool { return s.closed || s.failure != nil }

// armTimer sets the timer to what has to happen next: the endpoint's timeout, and a look at
// whether anybody reads.
func (s *socket) armTimer(now time.Time) {
	at, ok := s.ep.Timeout()
	if until, left := s.lead.until(now); left && (!ok || until.Before(at)) {
		at, ok = until, true
	}
	if ok && !s.closed {
		s.holds += s.timer.set(now, at)
	}
}

// onTimer runs on a goroutine of the timer.
func (s *socket) onTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.timer.fired(now)
	s.awaitLeader(now)
	if at, ok := s.ep.Timeout(); ok && !at.After(now) {
		s.ep.HandleTimeout(now)
	}
	s.settle(now, aTimer)
	s.drop()
}

// drop gives back a hold.
func (s *socket) drop() {
	s.holds--
	s.checkDone()
}

// checkDone tells the Conn of Dial when nothing runs on the socket any more.
func (s *socket) checkDone() {
	if s.owner != nil && s.closed && s.holds == 0 {
		s.owner.drop()
		s.owner = nil
	}
}

// remoteAddr returns where the peer of a Conn is.
func (s *socket) remoteAddr(c *Conn) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.ep.RemoteAddr(c.id); at.IsValid() {
		c.remote = at
	}
	return net.UDPAddrFromAddrPort(c.remote)
}
