package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// tsnRange is a run of TSNs, both ends included.
type tsnRange struct{ first, last wire.TSN }

// tsnSet is a set of TSNs as sorted, separate runs. Both sides of a transfer
// use one: the receiver for what came in above the cumulative TSN, the sender
// for what was acknowledged above it. Runs are few even when TSNs are many.
type tsnSet struct{ runs []tsnRange }

// search returns the index of the first run that ends at t or later.
func (s *tsnSet) search(t wire.TSN) int {
	lo, hi := 0, len(s.runs)
	if hi > 0 && s.runs[hi-1].last.Before(t) { // beyond the end: the usual case
		return hi
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.runs[mid].last.Before(t) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (s *tsnSet) contains(t wire.TSN) bool {
	i := s.search(t)
	return i < len(s.runs) && s.runs[i].first.AtOrBefore(t)
}

// add puts t into the set and reports whether it was not there.
func (s *tsnSet) add(t wire.TSN) bool {
	i := s.search(t)
	if i < len(s.runs) && s.runs[i].first.AtOrBefore(t) {
		return false
	}
	extends := i > 0 && s.runs[i-1].last.Add(1) == t
	precedes := i < len(s.runs) && t.Add(1) == s.runs[i].first
	switch {
	case extends && precedes:
		s.runs[i-1].last = s.runs[i].last
		s.runs = append(s.runs[:i], s.runs[i+1:]...)
	case extends:
		s.runs[i-1].last = t
	case precedes:
		s.runs[i].first = t
	default:
		s.runs = append(s.runs, tsnRange{})
		copy(s.runs[i+1:], s.runs[i:])
		s.runs[i] = tsnRange{t, t}
	}
	return true
}

// remove takes t out of the set.
func (s *tsnSet) remove(t wire.TSN) {
	i := s.search(t)
	if i == len(s.runs) || t.Before(s.runs[i].first) {
		return
	}
	r := s.runs[i]
	switch {
	case r.first == r.last:
		s.runs = append(s.runs[:i], s.runs[i+1:]...)
	case r.first == t:
		s.runs[i].first = t.Add(1)
	case r.last == t:
		s.runs[i].last = t.Add(-1)
	default:
		s.runs = append(s.runs, tsnRange{})
		copy(s.runs[i+1:], s.runs[i:])
		s.runs[i].last, s.runs[i+1].first = t.Add(-1), t.Add(1)
	}
}

// dropThrough removes every TSN at or before t.
func (s *tsnSet) dropThrough(t wire.TSN) {
	n := 0
	for n < len(s.runs) && s.runs[n].last.AtOrBefore(t) {
		n++
	}
	if n > 0 {
		s.runs = append(s.runs[:0], s.runs[n:]...)
	}
	if len(s.runs) > 0 && s.runs[0].first.AtOrBefore(t) {
		s.runs[0].first = t.Add(1)
	}
}

// maxTSNRuns bounds the runs of a tsnSet that the peer can make, so that finding the
// place of one more stays cheap. A SACK has room for some hundreds.
const maxTSNRuns = 2048

// full reports whether t would need a run more than there may be.
func (s *tsnSet) full(t wire.TSN) bool {
	if len(s.runs) < maxTSNRuns {
		return false
	}
	i := s.search(t.Add(-1)) // the first run that could take t
	return i == len(s.runs) || t.Add(1).Before(s.runs[i].first)
}

func (s *tsnSet) clear() { s.runs = s.runs[:0] }

// tsnMap is what the receiver knows of the peer's TSNs: the cumulative TSN and
// what came in above it.
type tsnMap struct {
	cum     wire.TSN // everything at or before it came in or was skipped
	highest wire.TSN // highest that came in
	above   tsnSet
	passed  uint64 // TSNs that the cumulative TSN has moved over, ever
}

// maxTSNSpan bounds how far a TSN may lie above the cumulative TSN: gap blocks
// cannot report more (RFC 9260, section 3.3.4).
const maxTSNSpan = 1<<16 - 1

func (m *tsnMap) init(peerInitialTSN wire.TSN) {
	m.above.clear()
	m.cum = peerInitialTSN.Add(-1)
	m.highest = m.cum
	m.passed += maxTSNSpan // and so over what came in above it
}

// seen reports whether t came in before.
func (m *tsnMap) seen(t wire.TSN) bool {
	return t.AtOrBefore(m.cum) || len(m.above.runs) > 0 && m.above.contains(t)
}

// add records that t, not seen before, came in.
func (m *tsnMap) add(t wire.TSN) {
	if m.highest.Before(t) {
		m.highest = t
	}
	if t != m.cum.Add(1) {
		m.above.add(t)
		return
	}
	if m.advance(t); m.gap() {
		m.absorb()
	}
}

// advance moves the cumulative TSN.
func (m *tsnMap) advance(t wire.TSN) {
	m.passed += uint64(t.Since(m.cum))
	m.cum = t
}

// position returns the place of a TSN not far from the cumulative one among all that
// the peer has assigned: unlike TSNs, which wrap, positions are in order for ever. The
// least is more than 0.
func (m *tsnMap) position(t wire.TSN) uint64 {
	return 1<<32 + m.passed + uint64(t.Since(m.cum))
}

// absorb moves the cumulative TSN over a run that now adjoins it.
func (m *tsnMap) absorb() {
	if len(m.above.runs) > 0 && m.above.runs[0].first == m.cum.Add(1) {
		m.advance(m.above.runs[0].last)
		m.above.dropThrough(m.cum)
	}
}

// missing returns how many TSNs up to t have not come in.
func (m *tsnMap) missing(t wire.TSN) int {
	n := max(t.Since(m.cum), 0)
	for _, r := range m.above.runs {
		if t.Before(r.first) {
			break
		}
		n -= r.last.Since(r.first) + 1
		if t.Before(r.last) {
			n += r.last.Since(t)
		}
	}
	return n
}

// forward moves the cumulative TSN to t and over what came in behind it (RFC
// 3758, section 3.6).
func (m *tsnMap) forward(t wire.TSN) {
	m.advance(t)
	if m.highest.Before(t) {
		m.highest = t
	}
	m.above.dropThrough(t)
	m.absorb()
}

// renege forgets that t came in: its chunk had to be dropped (RFC 9260,
// section 6.2).
func (m *tsnMap) renege(t wire.TSN) {
	m.above.remove(t)
	if m.highest == t {
		m.highest = m.cum
		if n := len(m.above.runs); n > 0 {
			m.highest = m.above.runs[n-1].last
		}
	}
}

// gap reports whether TSNs are missing.
func (m *tsnMap) gap() bool { return len(m.above.runs) > 0 }
