package sctp

// touch reads a word of each line of memory, of 64 bytes, that packets look at, and returns the sum,
// lest the reads be left out. One behind the other, and before anything depends on them, they are
// under way at the same time. With sends that is what sending looks at, and what an acknowledgement
// does, else what receiving does. A line that is forgotten here costs time, no more.
func (a *Association) touch(sends bool) int {
	in, sent, out, path := &a.in, &a.sent, &a.out, a.paths.primary()
	n := int(a.state) + int(a.clock.last) + int(a.tsns.cum)
	n += int(a.closer.t5.at) + int(a.hs.t1.at) + int(a.reconfig.own.seq) + a.reconfig.out + len(a.reconfig.peer.deferred)
	n += int(a.forward.point) + int(a.counters.packetsSent) + int(sent.cum) + sent.flight
	n += len(out.low) + out.queued + a.events.n + int(a.events.few[0].Kind)
	n += int(path.hb.timer.at) + path.mtu + int(path.t3.at)
	if !sends {
		n += a.ack.advertised + in.entries + int(in.reads) + int(in.streams.first.next)
		return n + in.streams.first.waiting.taken + len(in.streams.first.fragments.runs)
	}
	n += int(a.recovery.exit) + int(sent.order.packet) + int(sent.few[0].flags) + int(sent.few[0].older) + int(sent.few[1].older)
	n += int(out.arrivals) + int(out.turns.fair.now) + int(out.turns.turns) + int(out.streams.first.id) + out.streams.first.pending
	n += int(path.rto.srtt) + int(path.rack.rtt) + path.burst
	return n + path.cubic.cwnd + int(path.cubic.ackAt)
}

// fewAssociations are so many that the cache holds what packets look at of them.
const fewAssociations = 256

// fetch reads ahead what a packet or a command will need of an association. With thousands that
// have a packet each in turn, that packet costs 10 to 20 per cent less.
//
// touched keeps the sum, which means nothing.
func (e *Endpoint) fetch(slot int32, sends bool) {
	if slot != e.fetched && len(e.assocs) > fewAssociations {
		e.fetched = slot
		e.touched += e.assocs[slot].touch(sends)
	}
}
