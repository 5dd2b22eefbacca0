package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// recency lists the runs of fragments that the reader has not seen, by the highest
// TSN in them: what is dropped first when memory is short. A run that came to fill a
// gap below others stands too far back, which makes it live longer; without that the
// list would have to be searched.
type recency struct{ oldest, newest *inMessage }

// add puts in a run that begins with one fragment.
func (q *recency) add(m *inMessage, t wire.TSN) {
	m.low, m.high, m.listed = t, t, true
	if q.newest == nil || q.newest.high.Before(t) {
		q.link(m, q.newest)
	} else {
		q.link(m, nil)
	}
}

// grew takes note of another fragment of a run.
func (q *recency) grew(m *inMessage, t wire.TSN) {
	if !m.listed {
		return
	}
	if t.Before(m.low) {
		m.low = t
	}
	if !m.high.Before(t) {
		return
	}
	m.high = t
	if q.newest != m && q.newest.high.Before(t) {
		q.unlink(m)
		q.link(m, q.newest)
	}
}

// join takes note that n is about to become a part of m.
func (q *recency) join(m, n *inMessage) {
	if m.listed {
		if n.low.Before(m.low) {
			m.low = n.low
		}
		if m.high.Before(n.high) {
			m.high = n.high
			q.unlink(m)
			q.link(m, n)
		}
	}
	q.remove(n)
}

// remove takes a run out, if it is there.
func (q *recency) remove(m *inMessage) {
	if m.listed {
		q.unlink(m)
		m.listed = false
	}
}

// link inserts m behind another, nil for the front.
func (q *recency) link(m, behind *inMessage) {
	m.older = behind
	if behind == nil {
		m.newer, q.oldest = q.oldest, m
	} else {
		m.newer, behind.newer = behind.newer, m
	}
	if m.newer == nil {
		q.newest = m
	} else {
		m.newer.older = m
	}
}

func (q *recency) unlink(m *inMessage) {
	if m.older == nil {
		q.oldest = m.newer
	} else {
		m.older.newer = m.newer
	}
	if m.newer == nil {
		q.newest = m.older
	} else {
		m.newer.older = m.older
	}
	m.older, m.newer = nil, nil
}

// victim returns the run above t and the cumulative TSN that is the first to go so that t can be
// taken in its place (RFC 9260, section 6.2); nil if there is none.
func (in *inbound) victim(cum, t wire.TSN) *inMessage { // 9260-6.2-c
	m := in.recent.newest
	if m == nil || m.low.AtOrBefore(cum) || m.low.AtOrBefore(t) {
		return nil
	}
	return m
}

// evict drops a run.
func (in *inbound) evict(m *inMessage) {
	l := in.list(in.stream(m.info.stream))
	i := l.search(&fragment{number: m.first, info: m.info}, in.interleaved)
	in.drop(l, i, i+1)
}
