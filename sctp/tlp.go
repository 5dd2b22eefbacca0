package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// tailProbe is the Tail Loss Probe of RFC 8985, section 7: when acknowledgements
// are overdue one packet is sent, new data if there is any or else a chunk once
// more, so that the answer shows what was lost before it. There, section 7.2 leaves
// recoveries to other means; here they are probed, too, as nothing but T3-rtx finds
// a retransmission lost after which nothing may be sent: the peer's window is full.
type tailProbe struct {
	due   bool     // a probe is to be sent
	fresh bool     // a round-trip time was measured since the last probe
	out   bool     // a probe is outstanding
	again bool     // it was a chunk sent once more:
	tsn   wire.TSN // this one
	end   wire.TSN // highest TSN sent, when the probe was
}

// maxAckDelay is how long a peer may delay the acknowledgement of a single packet
// (RFC 9260, section 6.2, recommends 200 ms).
const maxAckDelay = 200 * time.Millisecond

// minProbeTimeout is the least PTO: a driver and its peer may be that late.
const minProbeTimeout = 10 * time.Millisecond

// probeTimeout returns the PTO (RFC 8985, section 7.2); single says that all that is
// outstanding went out in one packet, and the peer may wait for another.
func probeTimeout(srtt time.Duration, single bool) time.Duration {
	pto := max(2*srtt, minProbeTimeout)
	if single {
		pto += maxAckDelay
	}
	return pto
}

// sent takes note of a probe. again says that it was chunk t, sent before.
func (p *tailProbe) sent(highest wire.TSN, again bool, t wire.TSN) {
	*p = tailProbe{out: true, end: highest, again: again, tsn: t}
}

// repeated reports whether a probe is outstanding that was chunk t once more.
func (p *tailProbe) repeated(t wire.TSN) bool { return p.out && p.again && p.tsn == t }

// reset forgets about a probe: losses are being repaired anyway.
func (p *tailProbe) reset() { p.due, p.out = false, false }

// acked takes a SACK while a probe is outstanding (RFC 8985, section 7.4), with this cumulative TSN. repeated says
// that it reports nothing that was not known, and no gaps. It returns true if the
// probe has repaired a loss that nothing else shows.
func (p *tailProbe) acked(cum wire.TSN, s *wire.Sack, repeated bool) (repaired bool) {
	switch {
	case p.again && s != nil && reportsDuplicate(s, p.tsn): // nothing was lost
	case cum.Before(p.end):
		return false
	case !p.again: // new data arrived
	case p.end.Before(cum):
		repaired = true
	case !repeated:
		return false // the probe may still arrive, as a duplicate
	}
	p.out = false
	return repaired
}

// reportsDuplicate reports whether a SACK says that t came in more than once.
func reportsDuplicate(s *wire.Sack, t wire.TSN) bool {
	for i := range s.Dups() {
		if s.Dup(i) == t {
			return true
		}
	}
	return false
}

// probeChunk returns the chunk to send once more as a probe: the highest that is
// outstanding and may be retransmitted, and fits, or the lowest; nil if there is none.
func (q *sentQueue) probeChunk(now instant, room int, lowest bool) (wire.TSN, *sentChunk) {
	t, step := q.highest(), -1
	if lowest {
		t, step = q.cum.Add(1), 1
	}
	for range q.span() {
		c := q.at(t)
		if c.state == chunkOutstanding && c.wireSize() <= room && !c.msg.unworthy(now, c) {
			return t, c
		}
		t = t.Add(step)
	}
	return 0, nil
}

// repeat records that an outstanding chunk is sent once more.
func (q *sentQueue) repeat(now instant, t wire.TSN, c *sentChunk) {
	q.renew(now, t, c)
	c.rtx++
	if q.timing && t.AtOrBefore(q.timed) { // Karn's algorithm, 9260-6.3.1-b
		q.timing = false
	}
}
