package sctpnet

import (
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// published is a copy of the statistics for readers that find the lock taken: the
// goroutine that has it is busy with packets, and nobody need wait for the other.
// There is none before somebody asks for statistics. It has a lock of its own, which is
// held for copying only.
type published struct {
	mu    sync.Mutex
	stats sctp.Stats
	at    time.Time // when it was taken; guarded, as place, by the lock of the Conn
	place int       // in socket.watched
}

// publishInterval is how old the copy may get while packets come and go.
const publishInterval = time.Millisecond

func (p *published) read() sctp.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *published) publish(now time.Time, stats *sctp.Stats) {
	p.at = now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats = *stats
}

// publish refreshes the copy of the statistics, if somebody wants one and it is old. The
// lock is held.
func (c *Conn) publish(now time.Time) {
	if p := c.published.Load(); p != nil && (c.life.isOver || now.Sub(p.at) >= publishInterval) {
		stats := c.assoc.Stats()
		p.publish(now, &stats)
	}
}

// Stats returns the association's statistics. It does not wait while packets are
// being handled: the figures are those of a moment before then, though never older than
// those that another call has returned.
func (c *Conn) Stats() sctp.Stats {
	p := c.published.Load()
	switch {
	case c.mu.TryLock():
	case p != nil:
		return p.read()
	default: // the first time
		c.mu.Lock()
		c.watch()
	}
	defer c.mu.Unlock()
	stats := c.assoc.Stats()
	if p := c.published.Load(); p != nil {
		p.publish(time.Now(), &stats)
	}
	return stats
}

// watch begins to publish the statistics.
func (c *Conn) watch() {
	if c.published.Load() != nil {
		return
	}
	p := new(published)
	stats := c.assoc.Stats()
	p.publish(time.Now(), &stats)
	c.published.Store(p)
	if c.sock != nil && !c.life.isReleasing {
		p.place = len(c.sock.watched)
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
