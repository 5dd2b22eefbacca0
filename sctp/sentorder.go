package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// sentOrder is the order in which a sentQueue sent what is outstanding: packets
// are numbered, and the chunks linked through the ring, so that loss detection by
// time (RFC 8985) looks at nothing but what it marks. TSNs do not tell this order,
// as chunks are sent again, nor do times, as packets leave at one moment.
type sentOrder struct {
	oldest, newest wire.TSN // ends of the list of outstanding chunks, if there are any
	packet         uint64   // number of the last packet; the first is 1
}

// link puts chunk t at the end of the list. An end links to itself.
func (q *sentQueue) link(t wire.TSN, c *sentChunk) {
	c.older, c.newer = q.order.newest, t
	if q.outstanding == 0 {
		q.order.oldest, c.older = t, t
	} else {
		q.at(q.order.newest).newer = t
	}
	q.order.newest = t
}

// unlink takes chunk t out of the list, in which there are others.
func (q *sentQueue) unlink(t wire.TSN, c *sentChunk) {
	switch first, last := c.older == t, c.newer == t; {
	case first:
		q.order.oldest = c.newer
		q.at(c.newer).older = c.newer
	case last:
		q.order.newest = c.older
		q.at(c.older).newer = c.older
	default:
		q.at(c.older).newer = c.newer
		q.at(c.newer).older = c.older
	}
}

// stamp notes when the chunk goes out.
func (q *sentQueue) stamp(now instant, c *sentChunk) {
	c.sentAt, c.packet = now, q.order.packet
}

// onePacket reports whether all that is outstanding went out in one packet.
func (q *sentQueue) onePacket() bool {
	return q.outstanding > 0 && q.at(q.order.oldest).packet == q.at(q.order.newest).packet
}
