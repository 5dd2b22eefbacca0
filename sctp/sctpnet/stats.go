package sctpnet

import (
	"sync/atomic"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// published are copies of the statistics for readers that find the lock taken: the
// goroutine that has it is busy with packets, and nobody need wait for the other.
// There are none before somebody asks for statistics.
type published struct {
	current atomic.Pointer[snapshot]
	slots   [3]snapshot
	at      time.Time // of the current one; guarded by the lock of the Conn
}

// snapshot is one copy. It is written only while it is not the current one and
// nobody reads it.
type snapshot struct {
	readers atomic.Int32
	stats   sctp.Stats
}

// publishInterval is how old a copy may get while packets come and go.
const publishInterval = time.Millisecond

// read returns the current copy.
func (p *published) read() sctp.Stats {
	for {
		s := p.current.Load()
		s.readers.Add(1)
		if p.current.Load() == s { // nobody writes it as long as readers is not 0
			stats := s.stats
			s.readers.Add(-1)
			return stats
		}
		s.readers.Add(-1)
	}
}

// publish makes a copy the current one, unless all others are being read.
func (p *published) publish(now time.Time, stats sctp.Stats) {
	current := p.current.Load()
	for i := range p.slots {
		if s := &p.slots[i]; s != current && s.readers.Load() == 0 {
			s.stats = stats
			p.current.Store(s)
			p.at = now
			return
		}
	}
}

// publish refreshes the copy of the statistics, if somebody wants one and it is old.
// The lock is held.
func (c *Conn) publish(now time.Time) {
	if p := c.published.Load(); p != nil && now.Sub(p.at) >= publishInterval {
		p.publish(now, c.assoc.Stats())
	}
}

// Stats returns the association's statistics. It does not wait while packets are
// being handled: the figures are those of a moment before then.
func (c *Conn) Stats() sctp.Stats {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		return c.assoc.Stats()
	}
	if p := c.published.Load(); p != nil {
		return p.read()
	}
	c.mu.Lock() // the first time
	defer c.mu.Unlock()
	c.watch()
	return c.assoc.Stats()
}

// watch begins to publish the statistics.
func (c *Conn) watch() {
	if c.published.Load() != nil {
		return
	}
	p := new(published)
	p.publish(time.Now(), c.assoc.Stats())
	c.published.Store(p)
	if c.sock != nil && !c.life.isReleasing {
		c.sock.watched = append(c.sock.watched, c)
	}
}

// PathStats returns the figures of the association's path.
func (c *Conn) PathStats() sctp.PathStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats, _ := c.assoc.PathStats(0)
	return stats
}

// StreamStats returns the figures of an outgoing stream.
func (c *Conn) StreamStats(stream uint16) sctp.StreamStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.StreamStats(stream)
}

// maxPublish is how many Conns of a socket publish in one turn.
const maxPublish = 8

// publish refreshes copies of the statistics of some of the Conns that are asked for
// them. The lock is held.
func (s *socket) publish(now time.Time) {
	for range min(maxPublish, len(s.watched)) {
		s.turn++
		s.watched[s.turn%len(s.watched)].publish(now)
	}
}
