package sctpnet

import (
	"net"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

const (
	// maxRounds is how many batches, and how many events, a goroutine of the
	// application takes care of before it leaves the rest to the timer's. One of the
	// transport sends no more than sourceRounds batches: others may wait for it.
	maxRounds    = 64
	sourceRounds = 4

	// stallTime is how long a Write may take before the transport counts as one
	// that blocks.
	stallTime = 100 * time.Millisecond

	// firstPatience is how long no Write may have been slow until it does not any more.
	// Each time that turns out to be wrong it is doubled, up to maxPatience.
	firstPatience = time.Second
	maxPatience   = time.Minute
)

// sender carries packets from the association to the net.Conn, in order: one
// goroutine at a time is busy with it, without holding the lock while it
// writes. Others that have something to send leave it to that one.
//
// A transport is not supposed to block, but net.Pipe and some tunnels do. When a
// Write has taken stallTime, the Conn gets a goroutine of its own for sending,
// and for reading another if the one it has is stuck. From then on nobody else
// writes, so that calls of the application return whatever the transport does. When
// it has not blocked for a while, as where the machine was just busy, that goroutine ends.
type sender struct {
	batcher   BatchWriter     // the net.Conn, or nil
	udp       *udpsock.Socket // the net.Conn, or nil
	inPlace   InPlaceWriter   // the net.Conn, or nil
	fragments fragmentation   // of the net.Conn
	mtu       int             // room that Transmit needs
	// What an InPlaceWriter needs before and after each packet, in bytes.
	before, after int

	taken    *batch    // packets to send before all others, or nil: see Conn.take
	busy     bool      // a goroutine is about to write
	by       actor     // which
	left     bool      // there may be more to send: others have left it, or an event
	unheard  int       // batches that callers have sent since something came in
	drainer  func()    // Conn.drainPackets
	draining bool      // it is about to run
	since    time.Time // start of its current Write

	own  bool      // there is a sending goroutine
	work bool      // it has been told that there is something to do
	told sync.Cond // signalled with work
	slow time.Time // when a Write of it was, or of before it
	// patience is after how long without it ends.
	patience time.Duration
	// A Write that keeps a goroutine that is not ours is broken off with a
	// write deadline, which whoever returns last takes away.
	brokenOff bool
}

func (s *sender) init(c *Conn) {
	s.batcher, _ = c.nc.(BatchWriter)
	s.udp = c.reader.udp
	if s.inPlace, _ = c.nc.(InPlaceWriter); s.inPlace != nil {
		s.before, s.after = s.inPlace.Room()
	}
	s.mtu = roomFor(&c.cfg.SCTP)
	s.told.L = c.mu
	s.drainer = c.drainPackets
}

// wake tells the sending goroutine, if there is one.
func (s *sender) wake() {
	s.work = true
	s.told.Signal()
}

// take takes the packet that the association would send now, for the batch that goes
// out first when it is settled. Until then the lock is not released.
func (c *Conn) take(now time.Time) {
	s := &c.sender
	if s.busy || s.own || c.life.isReleasing {
		return // flush would leave it to others
	}
	if s.taken == nil {
		s.taken = newBatch(s.mtu, s.before, s.after)
	}
	if dst, ok := s.taken.next(s.mtu); ok {
		if t, ok := c.assoc.Transmit(now, dst); ok {
			s.taken.add(t.Packet, t.Whole)
		}
	}
}

// fill adds the next packets of the association, and carries out the events that this
// gives rise to. It tells whether those are all.
func (c *Conn) fill(now time.Time, b *batch) (all bool) {
	c.sender.left = false
	for {
		dst, ok := b.next(c.sender.mtu)
		if !ok {
			break
		}
		t, ok := c.assoc.Transmit(now, dst)
		if !ok {
			all = true
			break
		}
		b.add(t.Packet, t.Whole)
	}
	c.collect(now)
	c.publish(now)
	return all
}

// flush sends what there is to send, or leaves it to another goroutine. It tells
// whether everything is sent. The lock is held, and released while writing.
func (c *Conn) flush(now time.Time, by actor) bool {
	s := &c.sender
	switch {
	case c.life.isReleasing:
		return true
	case s.own && by != aWriter:
		s.wake()
		return false
	case s.busy:
		s.left = true
		return false
	case by == aCaller && s.unheard >= drainAfter && !c.life.isOver: // last words leave with the call
		c.startDrain()
		return false
	}
	sent := false
	s.busy, s.by = true, by
	b := s.taken
	if s.taken = nil; b == nil {
		b = newBatch(s.mtu, s.before, s.after)
	}
	for round := 0; ; round++ {
		if by == aCaller && round == maxRounds || by == aSource && round == sourceRounds {
			c.fireTimer()
			break
		}
		all := c.fill(now, b)
		if len(b.packets) > 0 {
			if by == aCaller {
				s.unheard++
			}
			c.write(now, b)
			b.reset()
		}
		if s.own && by != aWriter {
			s.wake() // the sending goroutine has been waiting for this one
			break
		}
		if sent = all && !s.left; sent {
			break
		}
		now = time.Now()
	}
	b.free()
	s.busy = false
	return sent
}

// startDrain has a goroutine send what there is to send; see socket.drain.
func (c *Conn) startDrain() {
	if !c.sender.draining {
		c.sender.draining = true
		c.life.holds++
		go c.sender.drainer()
	}
}

// drainPackets is a goroutine that sends what callers have left to it.
func (c *Conn) drainPackets() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sender.draining = false
	c.settle(time.Now(), aTimer)
	c.drop()
}

// write writes one batch. Packets that the transport refuses are lost; a transport
// that is gone ends the association.
func (c *Conn) write(now time.Time, b *batch) {
	c.sender.since = now
	c.armTimer(now)
	c.mu.Unlock()
	lost, err := c.writePackets(b)
	c.mu.Lock()
	if s := &c.sender; s.own && time.Since(s.since) >= stallTime/2 {
		s.slow = time.Now()
	}
	if c.sender.brokenOff {
		c.sender.brokenOff = false
		c.unlocked(func() { c.nc.SetWriteDeadline(time.Time{}) })
	}
	switch {
	case err == nil, c.life.isReleasing:
	case fatalWrite(err):
		c.fail(time.Now(), "write", err)
	default:
		c.log.Debug("transport lost packets", "count", lost, "error", err)
	}
}

// writePackets writes the packets without the lock. It returns how many were
// lost and the last error, and stops at one that no packet will survive.
func (c *Conn) writePackets(b *batch) (lost int, err error) {
	packets, whole := b.packets, b.whole
	for len(packets) > 0 {
		c.sender.fragments.apply(whole[0], c.log)
		n, l, e := c.sender.writeRun(c.nc, b, packets[:sameWhole(whole)])
		if lost += l; e != nil {
			if err = e; fatalWrite(e) {
				return lost, err
			}
		}
		packets, whole = packets[n:], whole[n:]
	}
	return lost, err
}

// writeRun writes packets that are to be treated alike, or the first of them. It
// returns how many it has done with, and how many of those were lost.
func (s *sender) writeRun(nc net.Conn, b *batch, packets [][]byte) (n, lost int, err error) {
	switch {
	case s.inPlace != nil:
		lost, err = s.inPlace.WriteInPlace(packets)
		return len(packets), lost, err
	case s.udp != nil && len(packets) > 1:
		b.out = b.out[:0]
		for _, p := range packets {
			b.out = append(b.out, udpsock.Datagram{Data: p})
		}
		sent, err := s.udp.Send(b.out)
		return len(packets), len(packets) - sent, err
	case s.batcher != nil && len(packets) > 1:
		n, err = s.batcher.WriteBatch(packets)
	default:
		_, err = nc.Write(packets[0])
	}
	if err != nil {
		n, lost = n+1, 1 // the one refused
	}
	return min(max(n, 1), len(packets)), lost, err
}

// unstick acts on a Write that has taken too long.
func (c *Conn) unstick() {
	s := &c.sender
	if c.life.aborting {
		c.terminate(time.Now(), c.life.reason)
	}
	if c.life.isOver {
		c.release() // the last words did not get through; this ends the Write
		return
	}
	if s.own {
		return
	}
	c.log.Info("transport blocks in Write: sending from a goroutine of its own")
	s.own, s.slow = true, time.Now()
	s.patience = min(max(2*s.patience, firstPatience), maxPatience)
	c.life.holds++
	go c.sendLoop()
	if !c.reader.waiting {
		c.startReader() // the old one is stuck, and ends when it returns
	}
	if s.by == aCaller || s.by == aSource {
		c.unlocked(func() { c.nc.SetWriteDeadline(time.Unix(1, 0)) })
		if s.busy {
			s.brokenOff = true
		} else {
			c.unlocked(func() { c.nc.SetWriteDeadline(time.Time{}) })
		}
	}
}

// unlocked runs f without the lock.
func (c *Conn) unlocked(f func()) {
	c.mu.Unlock()
	defer c.mu.Lock()
	f()
}

// sendLoop is the sending goroutine.
func (c *Conn) sendLoop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.sender
	for !c.life.isReleasing {
		s.work = false
		c.settle(time.Now(), aWriter)
		if !s.work && !s.busy && time.Since(s.slow) >= s.patience {
			break
		}
		for !s.work {
			s.told.Wait()
		}
	}
	s.own = false
	c.settle(time.Now(), aWriter)
	c.drop()
}
