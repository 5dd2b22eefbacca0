package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// Transmit is a packet to send.
type Transmit struct {
	Path   PathID
	Packet []byte // the bytes that were appended to dst
}

// Transmit appends the next packet to dst, which should have room for MTU bytes;
// false means that there is nothing to send now. The packet belongs to the
// caller.
func (a *Association) Transmit(now time.Time, dst []byte) (Transmit, bool) {
	path := a.paths.primary()
	var packet []byte
	if b := a.strays.next(); b != nil {
		packet = append(dst, b...)[len(dst):]
	} else {
		p := newBuilder(dst, path.mtu, a.id)
		given := a.counters.abandoned
		a.fill(now, path, &p)
		if p.empty() && a.counters.abandoned != given {
			a.fill(now, path, &p) // what was given up instead of sent may leave a FORWARD-TSN to send, or a reset
		}
		if p.empty() {
			return Transmit{}, false
		}
		packet = p.packet(a.peer.zeroChecksum)
	}
	a.counters.packetsSent++
	a.counters.bytesSent += uint64(len(packet))
	return Transmit{Path: path.id, Packet: packet}, true
}

// fill puts into the packet what the state asks for and fits.
func (a *Association) fill(now time.Time, path *path, p *builder) {
	switch a.state {
	case Closed:
	case CookieWait:
		if a.hs.due {
			a.fillInit(now, path, p)
		}
	case CookieEchoed:
		if a.hs.due {
			a.hs.appendCookieEcho(p)
			a.hs.sent(now, path.rto.rto)
		} else {
			a.control.append(p)
		}
	default:
		a.fillControl(now, path, p)
	}
}

// fillInit puts INIT alone into the packet (RFC 9260, sections 3.3 and 8.5.1).
func (a *Association) fillInit(now time.Time, path *path, p *builder) {
	p.crc = true
	p.b = wire.AppendHeader(p.b[:p.start], a.id.localPort, a.id.remotePort, 0)
	p.b = appendInit(p.b, wire.TypeInit, a.localInit(), a.cfg.ZeroChecksum, nil, wire.Params{}, 0)
	a.hs.sent(now, path.rto.rto)
}

// fillControl puts control chunks into the packet and then data (RFC 9260,
// section 6.10).
func (a *Association) fillControl(now time.Time, path *path, p *builder) {
	if a.hs.cookieAck { // first in its packet, 9260-5.1-b
		p.b = wire.AppendChunk(p.b, wire.TypeCookieAck, 0, nil)
		a.hs.cookieAck = false
	}
	if !a.control.append(p) {
		return
	}
	a.reconfig.own.prepare(now, &a.out, &a.sent, a.reconfig.peer.next.Prev())
	if !a.reconfig.append(now, p, path.rto.rto) || !a.forward.append(now, p, &a.sent) {
		return
	}
	if a.forward.pending(a.sent.cum) && !path.t3.on { // 3758-3.5-c
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
	if !path.hb.append(now, p, path.id, path.rto.rto) {
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

// fillSack puts a SACK into the packet.
func (a *Association) fillSack(p *builder) {
	window := a.in.offer(a.paths.primary().mtu)
	if a.ack.appendSack(p, &a.tsns, window) {
		a.ack.sent(window)
		a.counters.sacksSent++
	}
}

// fillData puts retransmissions and then new data into the packet. A SACK that
// is due goes first; one that could wait rides along if it leaves room (RFC 9260,
// section 6.1).
func (a *Association) fillData(now time.Time, path *path, p *builder) {
	switch a.ack.due {
	case ackNow:
		a.fillSack(p)
	case ackDelayed:
		before, window := len(p.b), a.in.offer(path.mtu)
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
func (a *Association) fillChunks(now time.Time, path *path, p *builder) {
	a.fillLost(now, path, p)
	if a.sent.lost == 0 {
		a.fillNew(now, path, p)
	}
	if p.data > 0 {
		path.hb.used = true
		a.recovery.packet = false
	}
}

// fillLost puts chunks marked for retransmission into the packet (RFC 9260,
// section 6.1, rule C): as cwnd allows, but for the first packet of a recovery.
func (a *Association) fillLost(now time.Time, path *path, p *builder) {
	for a.sent.lost > 0 {
		t, c := a.sent.nextLost()
		if m := c.msg; m.limited && c.rtx >= m.maxRtx || m.expired(now) {
			a.abandon(now, path, t, m)
			continue
		}
		switch {
		case c.wireSize() > p.room(), a.sent.flight >= path.cc.window() && !a.recovery.packet,
			a.window.probing && a.sent.outstanding > 0: // one probe at a time
			return
		}
		path.cc.sending(now, a.sent.flight, path.rto.rto)
		a.sent.resent(now, t, c)
		a.counters.retransmissions++
		if t == a.sent.cum.Add(1) { // 9260-7.2.4-b: the first outstanding one
			path.t3.start(now, path.rto.rto)
		}
		a.putChunk(now, path, p, t, c)
	}
}

// minFragment is the least payload worth cutting off a message to fill a packet
// that holds something already.
const minFragment = 256

// fillNew puts new data into the packet, as cwnd, the peer's window and the
// burst limit allow (RFC 9260, section 6.1, rules A to D). Messages are cut to
// what room the packet has.
func (a *Association) fillNew(now time.Time, path *path, p *builder) {
	for m := a.out.current(); m != nil; m = a.out.current() {
		if m.expired(now) {
			a.expire(now, path, m)
			continue
		}
		if a.reconfig.own.holding && m.sent == 0 {
			return
		}
		size := len(m.payload) - m.sent
		if room := p.room() - wire.DataHeaderLen; size > room {
			if room < minFragment {
				return
			}
			size = room
		}
		if a.sent.flight >= path.cc.window() || a.sent.span() >= maxSpan(m.unordered)-1 || p.data == 0 && a.burst(now, path) {
			return
		}
		if size <= a.window.room(a.sent.flightPayload) {
			a.endProbing(path)
		} else if !a.probeWindow(now, path) {
			return
		}
		path.cc.sending(now, a.sent.flight, path.rto.rto)
		a.putNew(now, path, p, m, size)
		if a.window.probing {
			return
		}
	}
}

// burst reports whether this opportunity to send is used up (9260-6.1-c). It is
// counted in bytes, so that small messages need not wait for the peer, and what
// the application sends later is another opportunity.
func (a *Association) burst(now time.Time, path *path) bool {
	if now.Sub(path.burstAt) >= clockGranularity {
		path.burst, path.burstAt = 0, now
	}
	return path.burst >= a.cfg.MaxBurst*path.pmdcs() && a.sent.outstanding > 0
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
func (a *Association) probeWindow(now time.Time, path *path) bool {
	switch {
	case a.sent.outstanding > 0 || a.sent.lost > 0:
		return false
	case a.window.probe:
		a.window.probe = false
		return true
	case !path.t3.on:
		a.window.probing = true
		path.t3.start(now, path.rto.rto)
	}
	return false
}

// putNew sends the next size bytes of the current message for the first time.
func (a *Association) putNew(now time.Time, path *path, p *builder, m *outMessage, size int) {
	c := sentChunk{msg: m, off: int32(m.sent), size: int32(size), sentAt: a.sent.clock(now)}
	if m.sent == 0 {
		a.out.number(m)
		c.flags |= wire.FlagBegin
	}
	if m.sent+size == len(m.payload) {
		c.flags |= wire.FlagEnd
	}
	if m.unordered {
		c.flags |= wire.FlagUnordered
	}
	a.out.advance(m, size)
	if s := m.stream; s.reset != resetNone && s.head == nil {
		c.flags |= wire.FlagImmediate // its reset waits for the SACK
	}
	t := a.sent.push(c)
	a.sent.time(now, t)
	path.burst += c.wireSize()
	a.putChunk(now, path, p, t, &c)
}

// putChunk appends a DATA chunk and starts T3-rtx if it does not run.
func (a *Association) putChunk(now time.Time, path *path, p *builder, t wire.TSN, c *sentChunk) {
	flags := c.flags
	// With a small window it matters that the peer does not wait (9260-6.1-e).
	if cwnd := path.cc.window(); a.state == ShutdownPending || cwnd <= 4*path.pmdcs() && a.sent.flight >= cwnd {
		flags |= wire.FlagImmediate
	}
	p.b = wire.AppendData(p.b, wire.Data{
		Flags: flags, TSN: t, Stream: c.msg.stream.id, SSN: c.msg.ssn, PPID: c.msg.ppid,
		Payload: c.msg.payload[c.off : c.off+c.size],
	})
	p.data++
	a.counters.dataSent++
	a.window.answered = false
	if !path.t3.on {
		path.t3.start(now, path.rto.rto)
	}
}

// expire gives up a message that was not sent completely within its lifetime.
// One that was not begun takes no TSN (RFC 3758, section 4.1).
func (a *Association) expire(now time.Time, path *path, m *outMessage) {
	if m.sent > 0 {
		a.abandon(now, path, a.sent.highest(), m)
		return
	}
	a.events.push(Event{Kind: EventMessageAbandoned, Stream: m.stream.id})
	a.out.abandon(m, 0)
	a.counters.abandoned++
}

// abandon gives up message m, of which t is a chunk if any are not acknowledged.
func (a *Association) abandon(now time.Time, path *path, t wire.TSN, m *outMessage) {
	a.events.push(Event{Kind: EventMessageAbandoned, Stream: m.stream.id})
	a.counters.abandoned++
	acked := m.sent
	if m.chunks > 0 {
		acked = a.sent.abandon(t)
	}
	if m.sent < len(m.payload) {
		a.sent.closeMessage(m)
	}
	a.out.abandon(m, acked)
	a.forward.advance(now, &a.sent, path.rto.srtt)
}

// reportSend turns what sending changed into events.
func (a *Association) reportSend() {
	for _, id := range a.out.low {
		a.events.push(Event{Kind: EventBufferedAmountLow, Stream: id})
	}
	a.out.low = a.out.low[:0]
	if a.out.writable() {
		a.events.push(Event{Kind: EventWritable})
	}
}
