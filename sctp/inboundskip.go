package sctp

import (
	"slices"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// This file is what of inbound gives up messages: skipped ones, those of streams that are
// reset, and all of them.

// drop gives up the runs of a list from one index to another.
func (in *inbound) drop(l *runList, from, to int) {
	for i := range l.runs[from:to] {
		in.giveUp(&l.runs[from+i])
	}
	l.runs = slices.Delete(l.runs, from, to)
	l.trim()
}

// giveUp gives up a run, which is to be taken out of its list. A reader that has seen
// something of the message is told.
func (in *inbound) giveUp(r *fragmentRun) {
	if r.partial {
		r.msg.aborted = true
		in.announce(in.stream(r.msg.info.stream))
		return
	}
	in.recent.remove(r.msg)
	in.discard(r.msg)
}

// purge gives up the interleaved messages of a stream whose time is over.
func (in *inbound) purge(s *inStream) {
	l := &s.fragments
	in.drop(l, l.ordered(), l.find(true, s.floor))
	in.drop(l, 0, l.find(false, s.next))
}

// skip takes a FORWARD-TSN that moved the cumulative TSN to cum: what misses a
// fragment at or before it will never be complete (RFC 3758, section 3.6).
func (in *inbound) skip(cum wire.TSN) {
	l := &in.fragments
	next := wire.FSN(cum.Add(1))
	behind := l.search(&fragment{number: next.Next()}, false)
	near := min(behind+1, len(l.runs)) // what begins behind the next TSN stays
	kept := l.runs[:0]
	for _, r := range l.runs[:near] {
		if next.AtOrBefore(r.first) && (r.begin || next != r.first) || next.AtOrBefore(r.last) && r.begin {
			kept = append(kept, r)
			continue
		}
		in.lose(&r)
	}
	l.runs = slices.Delete(l.runs, len(kept), near)
}

// lose gives up a run of DATA chunks, which is to be taken out of the list, and what of its message
// will not come: who waits for that, waits no more.
func (in *inbound) lose(r *fragmentRun) {
	info := r.msg.info
	in.giveUp(r)
	if r.begin && !info.unordered {
		in.skipMessages(info.stream, false, info.mid)
	}
}

// bury gives up messages in DATA chunks that cannot be completed any more: the TSN
// behind their last fragment came in, and with something else. A peer that keeps the
// rules finishes a message or skips it by FORWARD-TSN. dcSCTP does neither if the
// lifetime ends when all that was sent of it is acknowledged; what is behind it in its
// stream must not wait for ever.
func (in *inbound) bury(cum wire.TSN) {
	l, n := &in.fragments, 0
	for ; n < len(l.runs) && l.runs[n].last.Before(wire.FSN(cum)); n++ {
		in.lose(&l.runs[n])
	}
	l.runs = slices.Delete(l.runs, 0, n)
}

// buryBefore is bury for messages in I-DATA chunks: those of a stream, ordered or not, are sent one
// after the other (RFC 8260, section 2.2.2), so one that was begun will not be completed when chunk t
// of a later one is here, and all that was sent before.
func (in *inbound) buryBefore(s *inStream, info *inInfo, t wire.TSN) {
	l := &s.fragments
	if n := len(l.runs); n == 0 || n == 1 && l.runs[0].msg.info.same(info) {
		return
	}
	in.buryRuns(s, l.runs[l.ordered():], info, t)
	in.buryRuns(s, l.runs[:l.ordered()], info, t)
}

// buryRuns is buryBefore for the ordered or the unordered messages of the stream, whose runs these are. The
// numbers of the later message's own kind must agree, lest it be given up with those before it.
func (in *inbound) buryRuns(s *inStream, runs []fragmentRun, info *inInfo, t wire.TSN) {
	n := 0
	for n < len(runs) && runs[n].msg.low.Before(t) && (runs[n].msg.info.unordered != info.unordered || runs[n].msg.info.mid.Before(info.mid)) {
		n++
	}
	if n > 0 {
		last := runs[n-1].msg.info
		in.skipMessages(s.id, last.unordered, last.mid)
	}
}

// buryOf gives up a message of the stream whose end is missing though all that the
// peer sent before resetting the stream came in.
func (in *inbound) buryOf(s *inStream, cum wire.TSN) {
	if l := &in.fragments; len(l.runs) > 0 && l.runs[0].msg.info.stream == s.id && l.runs[0].last.AtOrBefore(wire.FSN(cum)) {
		in.drop(l, 0, 1)
	}
}

// skipStream takes an entry of FORWARD-TSN, which passes over so many TSNs that are
// missing.
func (in *inbound) skipStream(id uint16, ssn wire.SSN, missing int) {
	in.skipEntry(id, false, in.stream(id).next.Nearest(ssn), missing)
}

// skipEntry takes an entry of I-FORWARD-TSN, unless it is from before the stream was reset.
func (in *inbound) skipEntry(id uint16, unordered bool, mid wire.MID, missing int) {
	if !in.stream(id).outdated(mid, missing) {
		in.skipMessages(id, unordered, mid)
	}
}

// skipMessages gives up messages of the stream: those up to mid that
// did not come in will not, and ordered ones behind them are free.
func (in *inbound) skipMessages(id uint16, unordered bool, mid wire.MID) {
	s := in.stream(id)
	switch {
	case unordered && s.floor.AtOrBefore(mid):
		in.skipped(s)
		s.floor = mid.Next()
		in.purge(s)
		in.handOverBegun(s)
		return
	case unordered || mid.Before(s.next):
		return
	}
	in.skipped(s)
	for s.waiting.len() > 0 && s.waiting.first().info.mid.AtOrBefore(mid) {
		m := in.unwait(s)
		in.reads++
		s.push(m)
	}
	s.next = mid.Next()
	in.release(s)
	in.announce(s)
}

// resetStream starts a stream anew (RFC 6525, section 5.2.2). What was received
// before stays readable and ends with a mark.
func (in *inbound) resetStream(s *inStream) {
	for s.waiting.len() > 0 {
		in.discard(in.unwait(s))
	}
	in.drop(&s.fragments, 0, len(s.fragments.runs))
	s.next, s.floor, s.ahead, s.eager = 0, 0, false, false // 8260-2.3.2-a
	s.touched, s.from = false, nothing
	if s.tail == nil || s.tail.resets == 0 {
		s.push(in.pool.received(inInfo{stream: s.id}))
	}
	s.tail.resets++
	in.announce(s)
}

// renumber starts all streams anew without an end (RFC 6525, section 5.2.4): what
// is missing will not come, and what waits for it is free.
func (in *inbound) renumber() {
	in.dropRuns()
	in.beyond.clear()
	for _, s := range in.streams.all() {
		for s.waiting.len() > 0 {
			in.reads++
			s.push(in.unwait(s))
		}
		s.next, s.floor = 0, 0
		in.announce(s)
	}
}

// dropRuns gives up every message that is not complete.
func (in *inbound) dropRuns() {
	in.drop(&in.fragments, 0, len(in.fragments.runs))
	for _, s := range in.streams.all() {
		in.drop(&s.fragments, 0, len(s.fragments.runs))
	}
}

// incomplete reports whether there are fragments of messages that are not complete.
func (in *inbound) incomplete() bool {
	for _, s := range in.streams.all() {
		if len(s.fragments.runs) > 0 {
			return true
		}
	}
	return len(in.fragments.runs) > 0
}

// restart drops everything incomplete and starts all streams anew.
func (in *inbound) restart() {
	in.dropRuns()
	in.beyond.clear()
	for _, s := range in.streams.all() {
		in.resetStream(s)
		in.skipped(s)
	}
}

// end lets go what will not be completed any more, and of the pool: what came in may be
// read long after others of the Endpoint have gone on.
func (in *inbound) end() {
	in.pool = nil
	in.fragments, in.recent = runList{}, recency{}
	in.beyond.clear()
	in.beyond.list = nil
	for _, s := range in.streams.all() {
		s.fragments = runList{}
	}
}
