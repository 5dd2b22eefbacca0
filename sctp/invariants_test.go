package sctp

import (
	"fmt"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// invariants returns what of the association does not fit together, "" if all does.
// It looks at everything; the engine keeps what this counts.
func (a *Association) invariants(now time.Time) string {
	for _, check := range []func() string{
		a.sentInvariants, a.outInvariants, a.tsnInvariants, a.inInvariants, a.boundInvariants,
		func() string { return a.timerInvariants(now) },
	} {
		if s := check(); s != "" {
			return s
		}
	}
	return ""
}

// sentInvariants: what is in flight, lost and acknowledged by gap blocks.
func (a *Association) sentInvariants() string {
	q := &a.sent
	if a.state < Established {
		return ""
	}
	gaps := q.gapAcks
	if gaps == nil {
		gaps = new(gapAcks)
	}
	var flight, payload, outstanding, lost, acked int
	for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
		c := q.at(t)
		switch c.state {
		case chunkOutstanding:
			outstanding++
			flight += c.wireSize()
			payload += int(c.size)
		case chunkLost:
			lost++
			if t.Before(q.lostFrom) {
				return fmt.Sprintf("chunk %d is lost, lostFrom is %d", t, q.lostFrom)
			}
		}
		if c.ahead > 0 && (q.highest().Before(t.Add(int(c.ahead))) || q.at(t.Add(int(c.ahead))).msg != c.msg) ||
			c.ahead == 0 && c.msg.last != t {
			return fmt.Sprintf("chunk %d: the next of its message is %d further, its last %d", t, c.ahead, c.msg.last)
		}
		if c.state == chunkAbandoned && !c.msg.abandoned || c.state == chunkLost && c.msg.abandoned {
			return fmt.Sprintf("chunk %d is in state %d, its message abandoned: %v", t, c.state, c.msg.abandoned)
		}
		if c.state != chunkAbandoned && (gaps.acked.contains(t) != c.arrived() || gaps.settled.contains(t) != (c.state == chunkSettled)) {
			return fmt.Sprintf("chunk %d is in state %d, acknowledged by a gap block: %v", t, c.state, gaps.acked.contains(t))
		}
	}
	for i, r := range gaps.acked.runs {
		acked += r.last.Since(r.first) + 1
		if r.last.Before(r.first) || r.first.AtOrBefore(q.cum) || q.next.AtOrBefore(r.last) ||
			i > 0 && r.first.AtOrBefore(gaps.acked.runs[i-1].last.Add(1)) {
			return fmt.Sprintf("acknowledged runs %v, cum %d, next %d", gaps.acked.runs, q.cum, q.next)
		}
	}
	got := [5]int{q.flight, q.flightPayload, q.outstanding, q.lost, gaps.nAcked}
	if want := [5]int{flight, payload, outstanding, lost, acked}; got != want {
		return fmt.Sprintf("flight, payload, outstanding, lost, acked: %v, counted %v", got, want)
	}
	if s := q.orderInvariants(); s != "" {
		return s
	}
	if q.timing && (q.timed.AtOrBefore(q.cum) || q.next.AtOrBefore(q.timed)) {
		return fmt.Sprintf("chunk %d is timed, cum %d next %d", q.timed, q.cum, q.next)
	}
	return ""
}

// orderInvariants: what is outstanding is linked in the order of sending.
func (q *sentQueue) orderInvariants() string {
	if q.outstanding == 0 {
		return ""
	}
	n, t := 0, q.order.oldest
	for last := t; ; {
		c := q.at(t)
		if n++; c.state != chunkOutstanding || c.older != last || n > q.outstanding || c.packet > q.order.packet {
			return fmt.Sprintf("chunk %d is number %d in the list, after %d: %+v", t, n, last, *c)
		}
		if c.packet < q.at(last).packet || c.sentAt < q.at(last).sentAt {
			return fmt.Sprintf("chunk %d was sent before %d", t, last)
		}
		if c.newer == t {
			break
		}
		last, t = t, c.newer
	}
	if n != q.outstanding || t != q.order.newest {
		return fmt.Sprintf("%d chunks in the list, the last %d, want %d and %d", n, t, q.outstanding, q.order.newest)
	}
	return ""
}

// outInvariants: what is queued and buffered.
func (a *Association) outInvariants() string {
	o := &a.out
	if a.ended {
		return ""
	}
	buffered, queued, sent, begun, parted := 0, 0, 0, 0, 0
	for id, s := range o.streams.all() {
		bytes := 0
		if s.open != nil {
			parted++
		}
		for m := s.head; m != nil; m = m.next {
			queued++
			if m.sent > 0 {
				begun++
			}
			if m.ends {
				parted++
			}
			bytes += len(m.payload) - m.sent
			if m.abandoned {
				return fmt.Sprintf("stream %d: an abandoned message is queued", id)
			}
		}
		if bytes != s.queued {
			return fmt.Sprintf("stream %d: %d bytes queued, counted %d", id, s.queued, bytes)
		}
		buffered += bytes
	}
	if a.state >= Established {
		for t := a.sent.cum.Add(1); t != a.sent.next; t = t.Add(1) {
			c := a.sent.at(t)
			if c.state != chunkAbandoned && c.state != chunkSettled && c.msg.held() {
				buffered += int(c.size)
			}
			// A message whose rest is queued was counted there.
			if c.msg.over() {
				if c.ahead == 0 {
					sent++
				}
			}
		}
	}
	if e := o.turnInvariants(); e != "" {
		return e
	}
	if int(o.midway) != begun || int(o.parted) != parted {
		return fmt.Sprintf("%d messages begun and %d in parts, counted %d and %d", o.midway, o.parted, begun, parted)
	}
	if o.messages != queued+sent {
		return fmt.Sprintf("%d messages, counted %d queued and %d sent", o.messages, queued, sent)
	}
	if bad := o.heapInvariants(); bad != "" {
		return bad
	}
	if buffered != o.buffered || queued != o.queued {
		return fmt.Sprintf("buffered %d queued %d, counted %d %d", o.buffered, o.queued, buffered, queued)
	}
	return ""
}

// turnInvariants: the streams with messages, and no others, wait for their turn.
func (o *outbound) turnInvariants() string {
	waiting := 0
	for id, s := range o.streams.all() {
		if (s.head != nil) != (s.index > 0) || s.index > 0 && o.turns.heap[s.index-1] != s {
			return fmt.Sprintf("stream %d is at %d in the order, has messages: %v", id, s.index, s.head != nil)
		}
		if s.index > 1 && s.before(&o.turns.heap[s.index/2-1].standing) {
			return fmt.Sprintf("stream %d is behind its successor", id)
		}
		if s.head != nil {
			waiting++
		}
	}
	if waiting != len(o.turns.heap) || o.begun != nil && o.begun.head == nil && o.begun.open == nil || o.serving != nil && o.serving.head == nil ||
		o.lasting != nil && (o.lasting.head == nil || o.lasting.head.uncharged == 0) {
		return fmt.Sprintf("%d streams have messages, %d are in turn", waiting, len(o.turns.heap))
	}
	return o.turns.invariants()
}

// invariants: now is the mean of where the turns of those in the heap start, by their weights.
func (q *turnQueue) invariants() string {
	f, ok := q.order.(*fairQueueing)
	if !ok {
		return ""
	}
	var weights uint32
	var excess int64
	for _, s := range q.heap {
		w := f.weight(s)
		weights += w
		excess += int64(w) * int64(s.start-f.now)
		if s.start > f.last && s.start > f.now {
			return fmt.Sprintf("stream %d starts at %d, after %d", s.id, s.start, f.last)
		}
	}
	if weights != f.weights || excess != f.excess || excess < 0 || excess > 0 && excess >= int64(weights) {
		return fmt.Sprintf("%d, weights of %d and an excess of %d, counted %d and %d", f.now, f.weights, f.excess, weights, excess)
	}
	return ""
}

// tsnInvariants: what came in.
func (a *Association) tsnInvariants() string {
	m := &a.tsns
	for i, r := range m.above.runs {
		if r.last.Before(r.first) || r.first.AtOrBefore(m.cum.Add(1)) ||
			i > 0 && r.first.AtOrBefore(m.above.runs[i-1].last.Add(1)) {
			return fmt.Sprintf("received runs %v, cum %d", m.above.runs, m.cum)
		}
	}
	highest := m.cum
	if n := len(m.above.runs); n > 0 {
		highest = m.above.runs[n-1].last
	}
	if a.state >= Established && highest != m.highest {
		return fmt.Sprintf("highest %d, is %d", m.highest, highest)
	}
	return ""
}

// inInvariants: what is held for the reader.
func (a *Association) inInvariants() string {
	in := &a.in
	bytes, entries := 0, 0
	hold := func(m *inMessage) string {
		size := 0
		var last *segment
		for s := m.head; s != nil; last, s = s, s.next {
			size += len(s.buf) - int(s.off)
			entries++
		}
		bytes += size
		if size != m.size || last != m.tail {
			return fmt.Sprintf("message of %d bytes, counted %d", m.size, size)
		}
		return ""
	}
	for id, s := range in.streams.all() {
		for m := s.head; m != nil; m = m.next {
			if e := hold(m); e != "" {
				return e
			}
			if m.next == nil && m != s.tail {
				return fmt.Sprintf("stream %d: the tail is another", id)
			}
		}
		var waiting []*inMessage
		if w := s.waiting; w != nil {
			waiting = w.list[w.taken:]
		}
		for i, m := range waiting {
			if e := hold(m); e != "" {
				return e
			}
			if !s.next.Before(m.info.mid) || i > 0 && !waiting[i-1].info.mid.Before(m.info.mid) {
				return fmt.Sprintf("stream %d waits for %d, has %d at %d", id, s.next, m.info.mid, i)
			}
		}
	}
	lists := []*runList{&in.fragments}
	for _, s := range in.streams.all() {
		lists = append(lists, &s.fragments)
	}
	unseen := 0
	for n, l := range lists {
		if len(l.runs) > 0 && in.interleaved != (n > 0) {
			return "fragments in the wrong list"
		}
		for i, r := range l.runs {
			next := fragment{number: r.first, info: r.msg.info}
			if !r.begin && r.last.Before(r.first) || i > 0 && !l.runs[i-1].ends(&next, in.interleaved) || r.partial && !r.begin || r.begin && r.end {
				return fmt.Sprintf("runs %v", l.runs)
			}
			if r.partial == r.msg.listed || r.msg.first != r.first {
				return fmt.Sprintf("run %v is listed for eviction: %v, by %d", r, r.msg.listed, r.msg.first)
			}
			if r.partial { // it is in the queue of its stream
				continue
			}
			unseen++
			if e := hold(r.msg); e != "" {
				return e
			}
		}
	}
	for m := in.recent.newest; m != nil; m = m.older {
		unseen--
		low, high := m.head.tsn, m.head.tsn
		for s := m.head; s != nil; s = s.next {
			if s.tsn.Before(low) {
				low = s.tsn
			}
			if high.Before(s.tsn) {
				high = s.tsn
			}
		}
		if m.low != low || m.high != high || m.older == nil && m != in.recent.oldest || m.older != nil && m.older.newer != m {
			return fmt.Sprintf("a run of TSNs %d to %d is listed for eviction with %d to %d", low, high, m.low, m.high)
		}
	}
	for i, m := range in.beyond.list {
		if int(m.place) != i+1 || m.listed == m.complete || m.head == nil || m.head.tsn.AtOrBefore(a.tsns.cum) || i > 0 && m.head.tsn.Before(in.beyond.list[(i-1)/2].head.tsn) {
			return fmt.Sprintf("the message that begins with TSN %d is at %d of those beyond a gap, cum is %d", m.head.tsn, i, a.tsns.cum)
		}
	}
	if unseen != 0 && !a.ended {
		return fmt.Sprintf("%d runs are not listed for eviction", unseen)
	}
	if !a.ended && (bytes != in.bytes || entries != int(in.entries)) {
		return fmt.Sprintf("%d bytes in %d chunks held, counted %d in %d", in.bytes, in.entries, bytes, entries)
	}
	return ""
}

// boundInvariants: memory.
func (a *Association) boundInvariants() string {
	most := 0
	for _, s := range a.in.streams.all() {
		most = max(most, len(s.fragments.runs))
	}
	pooled := a.in.pool
	if pooled == nil {
		pooled = new(pools)
	}
	var lists ackLists
	if l := a.ack.lists; l != nil {
		lists = *l
	}
	var dealings dealings
	if d := a.reconfig.peer.dealings; d != nil {
		dealings = *d
	}
	for _, b := range []struct {
		desc       string
		got, bound int
	}{
		{"fragment runs of a stream", most, maxRuns + 1},
		{"bytes held", a.in.held(), 2*a.cfg.ReceiveBuffer + 1<<17},
		{"fragment runs", len(a.in.fragments.runs), maxRuns + 1},
		{"received runs", len(a.tsns.above.runs), maxTSNRuns + a.cfg.ReceiveBuffer/entryCost},
		{"acknowledged runs", len(a.sent.gapRuns()), maxTSNRuns + 1},
		{"chunks sent", a.sent.span(), maxTSNSpan},
		{"control chunks", len(a.control.buf), maxControl},
		{"packets of their own", a.strays.len(), maxStrays},
		{"duplicates", len(lists.dups), maxDupReports},
		{"answers to RE-CONFIG", len(dealings.due), maxResponses},
		{"requests to send", len(a.reconfig.own.queue), 2*(1<<16/maxResetNames) + 6},
		{"pooled bytes", pooled.segments.bytes, pooled.segments.limit},
		{"pooled messages", pooled.in.n, pooled.in.limit},
	} {
		if b.got > b.bound {
			return fmt.Sprintf("%d %s, at most %d", b.got, b.desc, b.bound)
		}
	}
	return ""
}

// timerInvariants holds for an association that was drained: what waits for the peer
// has a timer, and what has ended has none.
func (a *Association) timerInvariants(now time.Time) string {
	path := a.paths.primary()
	at, on := a.Timeout()
	switch {
	case a.ended && on:
		return "a timer runs after the end"
	case on && at.Sub(now) > max(10*a.cfg.RTOMax+2*time.Minute, pmtuRaiseTimer):
		return fmt.Sprintf("the next deadline is %v away", at.Sub(now))
	case a.state >= Established && a.sent.span() > 0 && !path.t3.on():
		return "chunks are outstanding without T3-rtx"
	case a.reconfig.own.inFlight && !a.reconfig.own.timer.on():
		return "a RE-CONFIG request is in flight without its timer"
	case (a.state == CookieWait || a.state == CookieEchoed) && (a.hs.attempt == nil || !a.hs.t1.on()):
		return "T1 does not run"
	case (a.state == ShutdownSent || a.state == ShutdownAckSent) && !a.closer.t2.on():
		return "T2 does not run"
	case a.state == Established && a.out.queued > 0 && (a.out.begun == nil || a.out.begun.head != nil) && a.sent.span() == 0 && !path.t3.on() && !path.pacer.timer.on() && !a.reconfig.own.flying(wire.ParamTSNReset):
		return "messages are queued and nothing is sent"
	case a.state == Established && a.cfg.HeartbeatInterval >= 0 && !path.hb.timer.on():
		return "no HEARTBEAT is planned"
	case path.pmtu.due && a.state == Established, a.forward.due && a.state >= Established || a.closer.due || a.hs.attempt != nil && a.hs.due || a.ack.due == ackNow && a.state >= Established:
		return "something is due and was not sent"
	case a.state >= Established && a.ack.due == ackDelayed && !a.ack.delay.on():
		return "a SACK is delayed without timer"
	}
	return ""
}

// checkPacket returns what is wrong with a packet that the association sent.
func (a *Association) checkPacket(b []byte) string {
	p, err := wire.ParsePacket(b)
	switch {
	case err != nil:
		return err.Error()
	case len(b) > max(a.cfg.MTU, a.cfg.MaxMTU) || len(b)%4 != 0:
		return fmt.Sprintf("packet of %d bytes", len(b))
	case !p.ChecksumOK() && (p.Checksum() != 0 || !a.peer.zeroChecksum):
		return "bad checksum"
	}
	n := 0
	it := p.Chunks()
	for _, ok := it.Next(); ok; _, ok = it.Next() {
		n++
	}
	if it.Err() != nil || n == 0 {
		return fmt.Sprintf("%d chunks, %v", n, it.Err())
	}
	return ""
}

// len returns how many packets wait.
func (s *strays) len() (n int) {
	for p := s.first; p != nil; p = p.next {
		n++
	}
	return n
}
