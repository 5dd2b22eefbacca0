package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// rateSampler measures how fast the path delivers: from the chunk sent last of those
// that a SACK acknowledged it sees how much was delivered since that chunk went out,
// and how long that took (draft-ietf-ccwg-bbr, "Delivery Rate Samples"). It costs
// memory for each chunk in flight, so it runs only if the congestion controller
// lives on it: else there is none, nil, which does nothing.
type rateSampler struct {
	stamps []rateStamp // of the chunks in the ring of sent chunks, at the same places

	delivered   int64      // bytes acknowledged, in all
	deliveredAt instant    // when that changed last, or sending began after a pause
	firstSentAt instant    // when the chunk acknowledged last was sent, or sending began
	lost        int64      // bytes found lost, in all
	limitedTo   int64      // value of delivered at which what was sent for want of more is acknowledged; 0: it is
	losses      []rateLoss // not taken yet

	newest    rateStamp // of the chunk sent last of those acknowledged now
	newestAt  instant   // when that was sent
	hasNewest bool
	last      rateSample
}

// rateStamp is the state of the sampler when a chunk was sent.
type rateStamp struct {
	delivered   int64
	deliveredAt instant
	firstSentAt instant
	lost        int64
	inFlight    int  // with this chunk
	limited     bool // there was no more to send
	spent       bool // the chunk was acknowledged
}

// rateSample is what a SACK tells about the delivery rate.
type rateSample struct {
	valid     bool
	delivered int64         // bytes within interval
	interval  time.Duration // may be too short to be true, if the chunk was sent more than once
	total     int64         // bytes delivered in all
	prior     int64         // what total was when the chunk was sent
	inFlight  int           // when the chunk was sent, with it
	lost      int64         // bytes found lost since then
	limited   bool          // by what there was to send
}

// rateLoss is a chunk that was found lost.
type rateLoss struct {
	tsn      wire.TSN
	size     int
	inFlight int   // when it was sent, with it
	lost     int64 // bytes found lost since then, with it
	prior    int64 // what was delivered in all when it was sent
	limited  bool
}

// anew returns one for an association that begins anew.
func (r *rateSampler) anew() *rateSampler {
	if r == nil {
		return nil
	}
	return new(rateSampler)
}

// rest gives back the memory for chunks in flight, of which there are none.
func (r *rateSampler) rest() {
	if r != nil {
		r.stamps = nil
		release(&r.losses)
	}
}

// resize follows the ring of sent chunks.
func (r *rateSampler) resize(n int, from, to wire.TSN) {
	if r == nil {
		return
	}
	stamps := make([]rateStamp, n)
	for t := from; t != to && len(r.stamps) > 0; t = t.Add(1) {
		stamps[int(t)&(n-1)] = *r.at(t)
	}
	r.stamps = stamps
}

func (r *rateSampler) at(t wire.TSN) *rateStamp { return &r.stamps[int(t)&(len(r.stamps)-1)] }

// sent takes a chunk that goes out; flight is what is outstanding with it.
func (r *rateSampler) sent(t wire.TSN, c *sentChunk, flight int) {
	if r == nil {
		return
	}
	if flight == c.wireSize() {
		r.firstSentAt, r.deliveredAt = c.sentAt, c.sentAt
	}
	*r.at(t) = rateStamp{
		delivered: r.delivered, deliveredAt: r.deliveredAt, firstSentAt: r.firstSentAt,
		lost: r.lost, inFlight: flight, limited: r.limitedTo > 0,
	}
}

// acked takes the first acknowledgement of a chunk.
func (r *rateSampler) acked(now instant, t wire.TSN, c *sentChunk) {
	if r == nil {
		return
	}
	s := r.at(t)
	if s.spent { // the peer had reneged on it
		return
	}
	r.delivered += int64(c.wireSize())
	r.deliveredAt = now
	if !r.hasNewest || !c.sentAt.Before(r.newestAt) {
		r.newest, r.newestAt, r.hasNewest = *s, c.sentAt, true
		r.firstSentAt = c.sentAt
	}
	s.spent = true
}

// lose takes a chunk that was found lost.
func (r *rateSampler) lose(t wire.TSN, size int) {
	if r == nil {
		return
	}
	s := r.at(t)
	r.lost += int64(size)
	r.losses = append(r.losses, rateLoss{tsn: t, size: size, inFlight: s.inFlight, lost: r.lost - s.lost, prior: s.delivered, limited: s.limited})
}

// forgive drops what was found lost and not taken: it was not the path.
func (r *rateSampler) forgive() {
	if r == nil {
		return
	}
	for _, l := range r.losses {
		r.lost -= int64(l.size)
	}
	r.taken()
}

// taken empties losses, and keeps no more memory for them than is of use again.
func (r *rateSampler) taken() {
	const keep = 256
	if r.losses = r.losses[:0]; cap(r.losses) > keep {
		r.losses = nil
	}
}

// exhausted says that there is nothing more to send though it might be sent.
func (r *rateSampler) exhausted(flight int) {
	if r != nil {
		r.limitedTo = max(r.delivered+int64(flight), 1)
	}
}

// sample returns what the chunks acknowledged since the last call tell, nil if nobody wants
// to know. It holds until the next call.
func (r *rateSampler) sample() *rateSample {
	if r == nil {
		return nil
	}
	if r.limitedTo > 0 && r.delivered > r.limitedTo {
		r.limitedTo = 0
	}
	if !r.hasNewest {
		r.last = rateSample{total: r.delivered}
		return &r.last
	}
	r.hasNewest = false
	s := &r.newest
	r.last = rateSample{
		valid:     true,
		delivered: r.delivered - s.delivered,
		interval:  max(r.newestAt.Sub(s.firstSentAt), r.deliveredAt.Sub(s.deliveredAt)),
		total:     r.delivered,
		prior:     s.delivered,
		inFlight:  s.inFlight,
		lost:      r.lost - s.lost,
		limited:   s.limited,
	}
	return &r.last
}
