package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// Transmit is a packet to send.
type Transmit struct {
	Packet []byte // the bytes that were appended to dst; first, so that all of it fits registers
	Path   PathID

	// Whole says that the packet must arrive as one datagram of the network layer
	// or not at all: the DF bit (RFC 8899, section 3). Other packets may be
	// fragmented; of those some are larger than the MTU.
	Whole bool

	// ECN is the codepoint to send it with: NotECT or ECT0.
	ECN ECN
}

// Transmit appends the next packet to dst, which should have room for MTU bytes, or
// MaxMTU if that is more; false means that there is nothing to send now. The packet
// belongs to the caller.
func (a *Association) Transmit(now time.Time, dst []byte) (Transmit, bool) {
	at := a.clock.read(now)
	path := a.paths.primary()
	var packet []byte
	whole, mark := path.pmtu.unfragmented(), NotECT
	if b := a.strays.next(); b != nil {
		packet = append(dst, b...)[len(dst):]
	} else {
		var p builder
		p.begin(dst, path.mtu, &a.id)
		given, again := a.counters.given, a.counters.retransmissions
		a.fill(at, path, &p)
		if p.empty() && a.counters.given != given {
			a.fill(at, path, &p) // what was given up instead of sent may leave a FORWARD-TSN to send, or a reset
		}
		if p.empty() {
			if !path.pmtu.due || a.state != Established {
				a.observe(at)
				return Transmit{}, false
			}
			a.probe(at, path, &p, dst)
			whole = true
		}
		packet = p.packet(a.peer.zeroChecksum)
		if a.counters.retransmissions != again {
			a.counters.seldom().rtxPackets++
		} else if p.data > 0 && path.ecn.on && !path.cc.measures() && !a.window.probing { // RFC 3168, sections 6.1.4 to 6.1.6; BBR heeds no marks
			mark = ECT0
		}
		if p.data > 0 {
			if whole = whole && len(packet) <= path.mtu; whole {
				path.pmtu.sent(len(packet), p.last)
			}
		}
	}
	a.counters.packetsSent++
	a.counters.bytesSent += uint64(len(packet))
	if a.trace.on() {
		a.note(at, TraceEvent{Kind: TracePacketSent, Path: path.id, Packet: packet})
		a.tellChanges(at)
	}
	return Transmit{Path: path.id, Packet: packet, Whole: whole, ECN: mark}, true
}

// probe makes the packet, which is empty, one with the probe for the path MTU that is due.
func (a *Association) probe(now instant, path *path, p *builder, dst []byte) {
	p.begin(dst, path.pmtu.size, &a.id)
	path.pmtu.append(now, p, path.id, a.rng.Uint64(), path.rto.rto)
	a.counters.mtuProbes++
}

// fill puts into the packet what the state asks for and fits.
func (a *Association) fill(now instant, path *path, p *builder) {
	switch {
	case a.state >= Established:
		a.fillControl(now, path, p)
	case a.state == CookieWait:
		if a.hs.due {
			a.fillInit(now, path, p)
		}
	case a.state == CookieEchoed:
		if a.hs.due {
			a.hs.appendCookieEcho(p)
			a.hs.sent(now, path.rto.rto)
		} else {
			a.control.append(p)
		}
	}
}

// fillInit puts INIT alone into the packet (RFC 9260, sections 3.3 and 8.5.1).
func (a *Association) fillInit(now instant, path *path, p *builder) {
	p.crc = true
	p.b = wire.AppendHeader(p.b[:p.start], a.id.localPort, a.id.remotePort, 0)
	start := len(p.b)
	p.b = appendInit(p.b, wire.TypeInit, a.localInit(), a.cfg, nil, wire.Params{}, 0)
	p.b = a.hs.appendPreservative(p.b, start)
	a.hs.sent(now, path.rto.rto)
}

// fillControl puts control chunks into the packet and then data (RFC 9260,
// section 6.10).
func (a *Association) fillControl(now instant, path *path, p *builder) {
	if a.hs.cookieAck { // first in its packet, 9260-5.1-b
		p.b = wire.AppendChunk(p.b, wire.TypeCookieAck, 0, nil)
		a.hs.cookieAck = false
	}
	if !a.control.append(p) || !path.ecn.appendCWR(p) {
		return
	}
	a.reconfig.own.prepare(now, &a.out, &a.sent, a.reconfig.peer.next.Prev())
	if !a.reconfig.append(now, p, path.rto.rto) {
		return
	}
	if a.sent.lost > 0 {
		a.giveUpLost(now, path)
	}
	if a.forward.due && !a.fillForward(now, p) {
		return
	}
	if a.forward.pending(a.sent.cum) && !path.t3.on() { // 3758-3.5-c
		path.t3.start(now, path.rto.rto)
	}
	switch a.state {
	case ShutdownSent, ShutdownAckSent:
		if a.ack.due == ackNow {
			a.fillSack(p)
		}
		a.closer.append(now, p, a.state, a.tsns.cum, path.rto.rto)
		return
	}
	if path.hb.due && !path.hb.append(now, p, path.id, path.rto.rto) {
		return
	}
	a.fillData(now, path, p)
	a.reportSend()
	if a.state == Established {
		return
	}
	if a.progressShutdown(now); p.data == 0 && a.closer.due { // what was queued may have expired
		a.closer.append(now, p, a.state, a.tsns.cum, path.rto.rto)
	}
}

// giveUpLost abandons lost chunks that are not to be sent again, up to the first
// that is, so that a FORWARD-TSN for them can go with data (RFC 3758, section 3.5, F2).
func (a *Association) giveUpLost(now instant, path *path) {
	for a.sent.lost > 0 {
		_, c := a.sent.nextLost()
		if !c.msg.unworthy(now, c) {
			return
		}
		a.abandon(now, path, c.msg)
	}
}

// fillForward puts a FORWARD-TSN that is due into the packet; false means that it
// does not fit.
func (a *Association) fillForward(now instant, p *builder) bool {
	before := len(p.b)
	fits := a.forward.append(now, p, &a.sent)
	if len(p.b) > before {
		a.counters.seldom().forwardsSent++
		a.window.answered = false
	}
	return fits
}

// fillSack puts a SACK into the packet.
func (a *Association) fillSack(p *builder) {
	path := a.paths.primary()
	path.ecn.append(p)
	window := a.in.offer(path.mtu)
	if a.ack.appendSack(p, &a.tsns, window) {
		a.ack.sent(window)
		a.counters.sacksSent++
	}
}

// fillData puts retransmissions and then new data into the packet. A SACK that
// is due goes first; one that could wait rides along if it leaves room (RFC 9260,
// section 6.1).
func (a *Association) fillData(now instant, path *path, p *builder) {
	if a.out.queued == 0 && a.sent.lost == 0 && !path.rack.tlp.due { // the state of who only receives is not looked at
		if a.ack.due == ackNow {
			a.fillSack(p)
		}
		if p.empty() {
			a.exhausted(path)
		}
		return
	}
	switch a.ack.due {
	case ackNow:
		a.fillSack(p)
	case ackDelayed:
		before, window := len(p.b), a.in.offer(path.mtu)
		path.ecn.append(p)
		if !a.ack.appendSack(p, &a.tsns, window) {
			break
		}
		if a.fillChunks(now, path, p); p.data > 0 {
			a.ack.sent(window)
			a.counters.sacksSent++
			return
		}
		p.b = p.b[:before]
	}
	a.fillChunks(now, path, p)
}

// fillChunks puts DATA chunks into the packet.
func (a *Association) fillChunks(now instant, path *path, p *builder) {
	a.sent.order.packet++
	next := a.sent.next
	a.out.packet(now)
	if a.sent.lost > 0 {
		a.fillLost(now, path, p)
	}
	probe := path.rack.tlp.due
	if probe && a.repairing() { // what may be lost again, before new data
		a.fillProbe(now, path, p)
	}
	if a.sent.lost == 0 {
		a.fillNew(now, path, p)
	}
	if p.empty() {
		a.exhausted(path)
	}
	if probe {
		a.endProbe(now, path, p, a.sent.next != next)
	} else if p.data > 0 {
		a.scheduleProbe(now, path)
	}
	if p.data > 0 {
		path.sent(now, p.chunks, p.fresh, a.cfg.MaxBurst)
		path.hb.used = true
		a.recovery.packet = false
	}
}

// exhausted takes note that there is nothing more to send, if so.
func (a *Association) exhausted(path *path) {
	if path.pacer.timer.on() {
		return
	}
	path.pacer.rest()
	if q := &a.sent; q.rate != nil && q.lost == 0 && q.flight < path.cc.window() {
		q.rate.exhausted(q.flight)
	}
}

// sending tells the congestion controller of a packet with data, before the first chunk
// of it goes in.
func (a *Association) sending(now instant, path *path, p *builder) {
	if p.data == 0 {
		path.cc.sending(now, a.sent.flight, path.rto.rto)
	}
}

// fillLost puts chunks marked for retransmission into the packet (RFC 9260,
// section 6.1, rule C): as cwnd allows, but for the first packet of a recovery.
func (a *Association) fillLost(now instant, path *path, p *builder) {
	for a.sent.lost > 0 {
		t, c := a.sent.nextLost()
		if c.msg.unworthy(now, c) {
			a.abandon(now, path, c.msg)
			continue
		}
		if size := c.wireSize(); size > path.mtu-commonHeader && p.empty() {
			p.stretch(size)
		}
		switch {
		case c.wireSize() > p.room(), !a.out.bundles(p, c.msg.stream),
			!a.recovery.packet && (!a.recovery.open(a.sent.flight, path.cc.window()) || p.data == 0 && !a.mayStart(now, path, true)),
			a.window.probing && a.sent.outstanding > 0: // one probe at a time
			return
		}
		a.sending(now, path, p)
		a.sent.resent(now, t, c)
		a.recovery.resent(t)
		a.counters.retransmissions++
		a.counters.seldom().rtxBytes += uint64(c.wireSize())
		a.note(now, TraceEvent{Kind: TraceRetransmit, TSN: uint32(t), Stream: c.msg.stream.id, Count: int(c.rtx)})
		if t == a.sent.cum.Add(1) { // 9260-7.2.4-b: the first outstanding one
			path.t3.start(now, path.rto.rto)
		}
		a.putChunk(now, path, p, t, c)
	}
}

// fillProbe puts a chunk that was sent before into the packet, which makes that a probe
// (RFC 8985, section 7.3). That counts as a retransmission of it, so one that may not be
// retransmitted is passed over.
func (a *Association) fillProbe(now instant, path *path, p *builder) {
	if a.sent.lost > 0 {
		return
	}
	t, c := a.sent.probeChunk(now, p.room(), a.repairing())
	if c == nil {
		return
	}
	a.sending(now, path, p)
	a.sent.repeat(now, t, c)
	if a.recovery.active() {
		a.recovery.resent(t)
	}
	path.pmtu.repeated(t)
	a.counters.retransmissions++
	a.counters.seldom().rtxBytes += uint64(c.wireSize())
	a.note(now, TraceEvent{Kind: TraceRetransmit, TSN: uint32(t), Stream: c.msg.stream.id, Count: int(c.rtx), On: true})
	a.putChunk(now, path, p, t, c)
	path.rack.tlp.sent(a.sent.highest(), true, t)
	a.counters.seldom().tailProbes++
}

// endProbe sees to it that the packet is a probe if one is due: if no fresh data could go
// into it, a chunk goes once more.
func (a *Association) endProbe(now instant, path *path, p *builder, fresh bool) {
	tlp := &path.rack.tlp
	if tlp.due && fresh {
		tlp.sent(a.sent.highest(), false, 0)
		a.counters.seldom().tailProbes++
	}
	if tlp.due {
		a.fillProbe(now, path, p)
	}
	tlp.due = tlp.due && !p.empty() // the next packet may have room
}

// minFragment is the least payload worth cutting off a message to fill a packet
// that holds something already.
const minFragment = 256

// fillNew puts new data into the packet, as cwnd, the peer's window and the
// burst limit allow (RFC 9260, section 6.1, rules A to D). Messages are cut to
// what room the packet has.
func (a *Association) fillNew(now instant, path *path, p *builder) {
	holding := a.reconfig.own.holding
	for m := a.out.current(holding); m != nil; m = a.out.current(holding) {
		if m.expired(now) {
			a.abandon(now, path, m)
			continue
		}
		if holding && m.sent == 0 || !a.out.bundles(p, m.stream) {
			return
		}
		size := len(m.payload) - m.sent
		if room := p.room() - a.dataHeader(); size > room {
			if room < minFragment {
				return
			}
			size = room
		}
		mayGo := path.rack.tlp.due || a.recovery.open(a.sent.flight, path.cc.window()) && (p.data > 0 || a.mayStart(now, path, false))
		// Each message under way may need one more TSN, if it is given up.
		if !mayGo || a.sent.span() >= max(1, a.maxSpan(m.unordered)-1-int(a.out.midway+a.out.parted)) {
			return
		}
		if size <= a.window.room(a.sent.flightPayload) {
			a.endProbing(path)
		} else if !a.probeWindow(now, path) {
			return
		}
		a.sending(now, path, p)
		a.putNew(now, path, p, m, size)
		if a.window.probing {
			return
		}
	}
}

// mayStart reports whether another packet with data may go now; unless it is paced
// the burst limit holds for new data. After T3-rtx no second packet is in flight until
// something is acknowledged (RFC 9260, section 7.2.3), though it may be less than cwnd.
func (a *Association) mayStart(now instant, path *path, again bool) bool {
	if a.recovery.single && a.sent.flight > 0 {
		return false
	}
	rate := path.cc.pacing()
	if rate > 0 {
		return !path.pacer.held(now, rate)
	}
	if again || path.mayBurst(now, a.cfg.MaxBurst) || a.sent.outstanding == 0 ||
		rate == tooShortToPace && path.mayBurst(now, paceQuantumBytes/path.pmdcs()) {
		path.pacer.timer.stop()
		return true
	}
	if rate == tooShortToPace && path.rto.srtt > 2*paceQuantum { // no longer: the next SACK may be far
		path.pacer.timer.start(path.burstAt, paceQuantum)
	}
	return false
}

// endProbing is for when what could not be sent is gone, and what is next fits.
func (a *Association) endProbing(path *path) {
	if w := &a.window; w.probing {
		w.probing, w.probe = false, false
		if a.sent.outstanding == 0 {
			path.t3.stop() // it paced the probes
		}
	}
}

// probeWindow reports whether a chunk may be sent though the peer's window has
// no room for it: when nothing is outstanding, each time that T3-rtx, which
// paces the probes, has expired (RFC 9260, section 6.1, rule A).
func (a *Association) probeWindow(now instant, path *path) bool {
	switch {
	case a.sent.outstanding > 0 || a.sent.lost > 0:
		return false
	case a.window.probe:
		a.window.probe = false
		return true
	case !path.t3.on():
		a.window.probing = true
		path.t3.start(now, path.rto.rto)
	}
	return false
}

// dataHeader returns the bytes of a DATA or I-DATA chunk before its payload.
func (a *Association) dataHeader() int {
	if a.peer.interleaving {
		return wire.IDataHeaderLen
	}
	return wire.DataHeaderLen
}

// putNew sends the next size bytes of the current message for the first time.
func (a *Association) putNew(now instant, path *path, p *builder, m *outMessage, size int) {
	var flags wire.DataFlags
	if m.sent == 0 && a.out.number(m) {
		flags |= wire.FlagBegin
	}
	c := a.sent.blank()
	c.msg, c.off, c.size, c.fsn, c.header = m, int32(m.sent), int32(size), m.fsn, uint8(a.dataHeader())
	if m.sent+size == len(m.payload) && (m.parts == nil || m.ends) {
		flags |= wire.FlagEnd
		if m.immediate { // 7053-5-a
			flags |= wire.FlagImmediate
		}
	}
	if m.unordered {
		flags |= wire.FlagUnordered
	}
	a.out.advance(now, m, size)
	if s := m.stream; s.reset != resetNone && s.head == nil {
		flags |= wire.FlagImmediate // its reset waits for the SACK
	}
	c.flags = flags
	if m.id != 0 && m.over() {
		a.events.push(Event{Kind: EventMessageSent, Stream: m.stream.id, Message: m.id})
	}
	t := a.sent.push(now, c)
	a.sent.time(now, t)
	p.fresh += c.wireSize()
	a.putChunk(now, path, p, t, c)
}

// putChunk appends a DATA or I-DATA chunk and starts T3-rtx if it does not run.
func (a *Association) putChunk(now instant, path *path, p *builder, t wire.TSN, c *sentChunk) {
	flags := c.flags
	// With a small window it matters that the peer does not wait (9260-6.1-e), and with a
	// send buffer that what is in flight fills (7053-5-a).
	if cwnd := path.cc.window(); a.state == ShutdownPending || path.rack.tlp.due || a.out.starved() || cwnd <= 4*path.pmdcs() && a.sent.flight >= cwnd {
		flags |= wire.FlagImmediate
	}
	m, payload := c.msg, c.msg.payload[c.off:c.off+c.size]
	if a.peer.interleaving { // 8260-2.2.1-a
		var d wire.IData // filled in here, not copied from a literal
		d.Flags, d.TSN, d.Stream, d.MID, d.PPID, d.FSN, d.Payload = flags, t, m.stream.id, m.mid, m.ppid, c.fsn, payload
		p.b = d.Append(p.b)
	} else {
		d := wire.Data{Flags: flags, TSN: t, Stream: m.stream.id, SSN: m.mid.SSN(), PPID: m.ppid, Payload: payload}
		p.b = d.Append(p.b)
	}
	p.data++
	p.chunks += c.wireSize()
	if a.recovery.proportional() {
		a.recovery.prr.sent(c.wireSize())
	}
	p.stream, p.last = m.stream.id, t
	a.counters.dataSent++
	a.window.answered = false
	if !path.t3.on() {
		path.t3.start(now, path.rto.rto)
	}
}

// abandon gives up message m. One that was not begun takes no TSN (RFC 3758,
// section 4.1, TR3).
func (a *Association) abandon(now instant, path *path, m *outMessage) {
	begun := m.sent > 0
	a.counters.given++
	a.counters.seldom().abandoned.count(m.policy, begun)
	if m.stream.abandoned == nil {
		m.stream.abandoned = new(AbandonedStats)
	}
	m.stream.abandoned.count(m.policy, begun)
	a.events.push(Event{Kind: EventMessageAbandoned, Stream: m.stream.id, Message: m.id, Begun: begun})
	a.note(now, TraceEvent{Kind: TraceAbandoned, Stream: m.stream.id, Message: m.id, Reason: reasons[m.policy], On: begun})
	if m.chunks > 0 {
		a.sent.giveUp(m)
	}
	if begun && !m.over() {
		a.sent.closeMessage(now, m)
	}
	a.out.abandon(m)
	if begun {
		a.forward.advance(now, &a.sent, path.rto.srtt)
	}
}

// displace makes room for a message of n bytes by giving up less important ones,
// if that helps (RFC 7496, section 3.2).
func (a *Association) displace(now instant, n int, r rank) bool {
	if !a.out.displaces(n, r) {
		return false
	}
	for m := a.out.victim(n); m != nil; m = a.out.victim(n) {
		if m.sent > 0 && m.over() {
			a.out.displace(m)
		} else {
			a.abandon(now, a.paths.primary(), m)
		}
	}
	return true
}

// expireQueued gives up the messages whose lifetime ended in the queue (RFC 3758,
// section 4.1, TR5): those of streams whose turn does not come, too.
func (a *Association) expireQueued(now instant, path *path) {
	a.note(now, TraceEvent{Kind: TraceTimer, Timer: TimerLifetime})
	for m := a.out.expired(now); m != nil; m = a.out.expired(now) {
		a.abandon(now, path, m)
	}
	a.reportSend()
	a.progressShutdown(now)
}

// reportDelivered reports the messages that the peer has acknowledged completely.
func (a *Association) reportDelivered(done *outMessage) {
	for m := done; m != nil; m = m.next {
		if m.abandoned || m.parts != nil && !m.ends {
			continue
		}
		a.counters.delivered++
		if m.id != 0 {
			a.events.push(Event{Kind: EventMessageDelivered, Stream: m.stream.id, Message: m.id})
		}
	}
}

// reportSend turns what sending changed into events.
func (a *Association) reportSend() {
	if o := &a.out; o.isAllLow || len(o.low)+o.refused+int(o.parted) != 0 {
		a.tellSend()
	}
}

func (a *Association) tellSend() {
	for _, id := range a.out.low {
		a.events.pushOf(EventBufferedAmountLow, id)
	}
	a.out.low = a.out.low[:0]
	if a.out.isAllLow {
		a.out.isAllLow = false
		a.events.push(Event{Kind: EventTotalBufferedAmountLow})
	}
	if a.out.refused+int(a.out.parted) != 0 && !a.reconfig.own.all && a.out.writable() {
		a.events.push(Event{Kind: EventWritable})
	}
}
