package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// HandlePacket takes a datagram that came in on a path. What is not acceptable
// is dropped and counted, or answered as RFC 9260 says. The packet is not kept.
func (a *Association) HandlePacket(now time.Time, id PathID, packet []byte) {
	a.HandlePacketECN(now, id, packet, NotECT)
}

// HandlePacketECN is HandlePacket for a datagram whose codepoint of ECN the caller
// knows.
func (a *Association) HandlePacketECN(now time.Time, id PathID, packet []byte, mark ECN) {
	a.counters.packetsReceived++
	a.counters.bytesReceived += uint64(len(packet))
	at := a.clock.read(now)
	if a.trace.on() {
		a.note(at, TraceEvent{Kind: TracePacketReceived, Path: id, Packet: packet})
	}
	r := received{mark: mark}
	if why := a.handlePacket(at, id, packet, &r); why != 0 {
		a.drop(at, id, packet, why)
	}
	a.observe(at)
}

// handlePacket returns why the packet was not acceptable, 0 if it was.
func (a *Association) handlePacket(now instant, id PathID, packet []byte, r *received) TraceReason {
	p, err := wire.ParsePacket(packet)
	path := a.paths.get(id)
	switch {
	case err != nil || path == nil:
		return ReasonMalformed
	case a.err == ErrHandedOver: // whoever resumes it answers
		return ReasonTag
	case p.SrcPort() != a.id.remotePort || p.DstPort() != a.id.localPort:
		return ReasonPort
	case !a.intact(p):
		return ReasonChecksum
	}
	r.p, r.path = p, path
	p.Walk(&r.it)
	c, ok := r.it.Next()
	switch {
	case !ok:
		return ReasonMalformed
	case !a.admit(now, r, c):
		return ReasonTag
	}
	if a.hs.snap == snapUnheard && p.VTag() == a.id.localTag {
		a.hs.snap = snapHeard
	}
	hadGap := a.tsns.gap()
	for ; ok && !a.ended; c, ok = r.it.Next() {
		if !a.handleChunk(now, r, c) {
			break
		}
	}
	if !a.ended {
		if r.mark == CE && r.taken && path.ecn.on {
			path.ecn.experienced(r.lowest)
			a.counters.seldom().ceReceived++
			a.ack.now() // the sender shall know soon
		}
		if a.ack.packetData {
			a.ack.endPacket(now, hadGap, a.tsns.gap(), a.cfg.SackDelay)
		}
		if a.reconfig.peer.defers() {
			a.performDeferred()
		}
		a.reportReadable()
	}
	return 0
}

// received is the packet being handled.
type received struct {
	mark ECN
	p    wire.Packet
	path *path
	it   wire.Chunks

	data     bool     // it carried DATA
	taken    bool     // some of which was taken, now or before
	lowest   wire.TSN // of that
	acked    bool     // a SACK in it was processed
	requests int      // new ones of RE-CONFIG that were looked at
}

// take takes note of a TSN in the packet.
func (r *received) take(t wire.TSN) {
	if !r.taken || t.Before(r.lowest) {
		r.taken, r.lowest = true, t
	}
}

// intact reports whether the checksum is right, or zero where that was said to
// be acceptable (RFC 9653, section 5.3).
func (a *Association) intact(p wire.Packet) bool {
	return p.Checksum() == 0 && a.cfg.ZeroChecksum != NoZeroChecksum || p.ChecksumOK()
}

// admit applies the rules on verification tags (RFC 9260, section 8.5) to a
// packet with first chunk c; false means that the packet is done with.
func (a *Association) admit(now instant, r *received, c wire.Chunk) bool {
	tag := r.p.VTag()
	reflected := c.Flags()&wire.FlagT != 0
	switch c.Type() {
	case wire.TypeInit: // alone, with tag 0
		if tag != 0 || !r.it.Last() {
			return false
		}
		a.handleInit(now, r, c)
		return true
	case wire.TypeCookieEcho:
		if !a.ended {
			return a.handleCookieEcho(now, r, c)
		}
	case wire.TypeShutdownComplete:
		return a.state == ShutdownAckSent && a.reflects(tag, reflected)
	case wire.TypeShutdownAck:
		if a.state < Established { // 9260-8.5-a, last clause
			a.outOfTheBlue(r, c)
			return false
		}
	}
	if a.state == Closed {
		// After a graceful end what carries its tag is an old duplicate.
		if !a.ended || a.err != nil || tag != a.id.localTag {
			a.outOfTheBlue(r, c)
		}
		return false
	}
	// An ABORT may stand behind other control chunks; only alone may it reflect.
	return tag == a.id.localTag || c.Type() == wire.TypeAbort && a.reflects(tag, reflected)
}

// reflects reports whether the tag of an ABORT or SHUTDOWN COMPLETE is right
// (RFC 9260, section 8.5.1).
func (a *Association) reflects(tag uint32, reflected bool) bool {
	if reflected {
		return tag == a.id.peerTag && a.id.peerTag != 0
	}
	return tag == a.id.localTag
}

// outOfTheBlue answers a packet that belongs to no association (RFC 9260,
// section 8.4).
func (a *Association) outOfTheBlue(r *received, c wire.Chunk) {
	for first, ok := c, true; ok; c, ok = r.it.Next() {
		switch c.Type() {
		case wire.TypeAbort, wire.TypeShutdownComplete, wire.TypeCookieAck, wire.TypeInit, wire.TypeInitAck:
			return
		case wire.TypeError:
			if it, err := c.Causes(); err == nil {
				if cause, ok := it.Next(); ok && cause.Code() == wire.CauseStaleCookie {
					return
				}
			}
		case wire.TypeShutdownAck:
			if len(first) == len(c) && &first[0] == &c[0] {
				a.strays.add(a.id.localPort, a.id.remotePort, r.p.VTag(), func(b []byte) []byte {
					return wire.AppendChunk(b, wire.TypeShutdownComplete, wire.FlagT, nil)
				})
				return
			}
		}
	}
	a.strays.add(a.id.localPort, a.id.remotePort, r.p.VTag(), func(b []byte) []byte {
		return wire.AppendChunk(b, wire.TypeAbort, wire.FlagT, nil)
	})
}

// handleChunk processes one chunk of a packet with a good verification tag; false
// drops the rest of the packet.
func (a *Association) handleChunk(now instant, r *received, c wire.Chunk) bool {
	switch c.Type() {
	case wire.TypeInit, wire.TypeCookieEcho:
		return a.admitted(r, c)
	case wire.TypeData, wire.TypeIData:
		return a.handleData(now, r, c)
	case wire.TypeSack:
		if !r.acked { // a packet has one, and it may name everything outstanding
			r.acked = true
			a.handleSack(now, r.path, c)
		}
	case wire.TypeInitAck:
		a.handleInitAck(now, r, c)
		return false
	case wire.TypeCookieAck:
		a.handleCookieAck(now, r.path)
	case wire.TypeHeartbeat:
		a.handleHeartbeat(c)
	case wire.TypeHeartbeatAck:
		a.handleHeartbeatAck(now, r.path, c)
	case wire.TypeAbort:
		a.handleAbort(c)
		return false // even a malformed one: its tag may be one that nothing else may have
	case wire.TypeError:
		a.handleError(now, c)
	case wire.TypeShutdown:
		a.handleShutdown(now, r.path, c)
	case wire.TypeShutdownAck:
		a.handleShutdownAck(now)
	case wire.TypeShutdownComplete:
		if a.state == ShutdownAckSent {
			a.end(nil)
		}
	case wire.TypeForwardTSN, wire.TypeIForwardTSN:
		return a.handleForwardTSN(now, c)
	case wire.TypeReconfig:
		return a.handleReconfig(now, r, c)
	case wire.TypeNRSack:
		if !a.peer.nrSack {
			return a.unknownChunk(c)
		}
		if !r.acked {
			r.acked = true
			a.handleSack(now, r.path, c)
		}
	case wire.TypePad:
	case wire.TypeECNE, wire.TypeCWR:
		if !r.path.ecn.on {
			return a.unknownChunk(c)
		}
		if c.Type() == wire.TypeECNE {
			a.handleECNE(now, r.path, c)
		} else if t, err := c.CWR(); err == nil {
			r.path.ecn.heard(t)
		}
	default:
		return a.unknownChunk(c)
	}
	return true
}

// admitted reports whether INIT or COOKIE ECHO is the first chunk, which admit
// has handled; elsewhere in a packet they have no place.
func (a *Association) admitted(r *received, c wire.Chunk) bool {
	return &c[0] == &r.p[wire.HeaderLen]
}

// unknownChunk applies the rule that the type of an unknown chunk carries (RFC
// 9260, section 3.2).
func (a *Association) unknownChunk(c wire.Chunk) bool {
	if c.Type().ReportUnknown() && a.state >= CookieEchoed {
		a.control.errorCause(wire.CauseUnrecognizedChunk, c, a.paths.primary().pmtu.base)
	}
	return c.Type().SkipUnknown()
}

// handleData takes a DATA or I-DATA chunk (RFC 9260, sections 6.2 and 6.5; RFC 8260,
// section 2.2.3).
func (a *Association) handleData(now instant, r *received, c wire.Chunk) bool {
	var f fragment
	err := f.read(c)
	switch {
	case a.state != Established && a.state != ShutdownPending && a.state != ShutdownSent: // 9260-6-a
		return false
	case (c.Type() == wire.TypeIData) != a.peer.interleaving: // 8260-2.2.1-a
		a.abort(wire.CauseProtocolViolation, []byte(c.Type().String()+" was not negotiated"))
		return false
	case err != nil:
		return false
	case len(f.payload) == 0: // 9260-6.2-f
		a.abortTSN(wire.CauseNoUserData, f.tsn)
		return false
	}
	a.counters.dataReceived++
	if !r.data {
		r.data = true
		r.path.hb.busy = true
		if a.state == ShutdownSent { // 9260-9.2-c
			a.closer.want()
			a.guardShutdown(now)
		}
	}
	next := f.tsn == a.tsns.cum.Add(1)
	if !next && a.tsns.seen(f.tsn) {
		r.take(f.tsn)
		a.counters.seldom().duplicates++
		a.ack.duplicate(f.tsn)
		a.dropData(now, &f, ReasonDuplicate)
		return true
	}
	if a.reconfig.own.gated() || a.reconfig.peer.defers() && a.held(&f) ||
		a.in.full(a.in.streams.get(f.info.stream)) || !a.makeRoom(&f, next) {
		a.counters.seldom().dataDropped++
		a.dropData(now, &f, ReasonNoRoom)
		a.ack.dropped() // not reported; the window says why
		a.ack.now()
		return true
	}
	a.tsns.add(f.tsn)
	r.take(f.tsn)
	a.ack.accepted(f.immediate)
	a.in.cum = a.tsns.cum
	if int(f.info.stream) < a.InboundStreams() {
		a.in.add(a.in.came(f.info.stream, a.tsns.position(f.tsn)), &f)
	} else { // 9260-6.5-a
		a.dropData(now, &f, ReasonInvalidStream)
		info := [4]byte{byte(f.info.stream >> 8), byte(f.info.stream)}
		a.control.errorCause(wire.CauseInvalidStream, info[:], r.path.pmtu.base)
	}
	if len(a.in.fragments.runs)+len(a.in.beyond.list) > 0 {
		a.in.bury(a.tsns.cum)
		a.in.relieve(a.tsns.cum)
	}
	return true
}

// maxSpan bounds how far the TSN of a message may lie above the cumulative TSN. The
// stream sequence numbers of ordered ones in DATA must not wrap in between.
func (a *Association) maxSpan(unordered bool) int {
	if unordered || a.peer.interleaving {
		return maxTSNSpan
	}
	return 1<<15 - 1
}

// makeRoom reports whether a fragment with a new TSN can be taken, dropping what is of
// less use if need be (RFC 9260, section 6.2); next says that it adjoins the cumulative TSN.
func (a *Association) makeRoom(f *fragment, next bool) bool {
	t := f.tsn
	if !next && (t.Since(a.tsns.cum) > a.maxSpan(f.info.unordered) || a.tsns.above.full(t)) {
		return false
	}
	fillsGap := t.Before(a.tsns.highest)
	for !a.in.admits(len(f.payload), fillsGap, next) {
		if !fillsGap {
			return false
		}
		var victim *inMessage
		if !a.peer.nrSack && len(a.tsns.above.runs) < maxTSNRuns { // what was reported is kept; the rest may cut runs in two
			victim = a.in.victim(a.tsns.cum, t)
		}
		if victim == nil {
			return next && a.in.admitsNext()
		}
		for s := victim.head; s != nil; s = s.next {
			a.tsns.renege(s.tsn)
		}
		a.in.evict(victim)
	}
	return true
}

func (a *Association) abortTSN(code wire.CauseCode, t wire.TSN) {
	var info [4]byte
	be.PutUint32(info[:], uint32(t))
	a.abort(code, info[:])
}

// handleForwardTSN takes a FORWARD-TSN (RFC 3758, section 3.6) or I-FORWARD-TSN (RFC
// 8260, section 2.3.1).
func (a *Association) handleForwardTSN(now instant, c wire.Chunk) bool {
	interleaved := c.Type() == wire.TypeIForwardTSN
	switch {
	case a.state != Established && a.state != ShutdownPending && a.state != ShutdownSent:
		return false
	case interleaved != a.peer.interleaving, interleaved && !a.forward.enabled: // 8260-2.3.1-a
		a.abort(wire.CauseProtocolViolation, []byte(c.Type().String()+" was not negotiated"))
		return false
	case interleaved:
		f, err := c.IForwardTSN()
		missing := a.tsns.missing(f.NewCumTSN)
		if err != nil || !a.forwardTSN(f.NewCumTSN) {
			return err == nil
		}
		a.passOver(f.NewCumTSN, f.Len(), func(i int) uint16 { return f.At(i).Stream }, func(i int) {
			e := f.At(i)
			a.in.skipEntry(e.Stream, e.Unordered, e.MID, missing)
		})
		a.in.relieve(a.tsns.cum)
		return true
	}
	f, err := c.ForwardTSN()
	missing := a.tsns.missing(f.NewCumTSN)
	switch {
	case err != nil:
		return false
	case !a.forward.enabled:
		return a.unknownChunk(c)
	case !a.forwardTSN(f.NewCumTSN):
		return true
	}
	a.in.skip(f.NewCumTSN)
	a.passOver(f.NewCumTSN, f.Len(), func(i int) uint16 { return f.At(i).Stream }, func(i int) {
		e := f.At(i)
		a.in.skipStream(e.Stream, e.SSN, missing)
	})
	a.in.bury(a.tsns.cum)
	a.in.relieve(a.tsns.cum)
	return true
}

// forwardTSN moves the cumulative TSN as the peer demands, and reports whether that is
// news.
func (a *Association) forwardTSN(t wire.TSN) bool {
	if t.AtOrBefore(a.tsns.cum) { // stale: our SACK was lost
		a.ack.packetData = true
		a.ack.now()
		return false
	}
	if t.Since(a.tsns.cum) > maxTSNSpan || a.reconfig.own.gated() {
		return false
	}
	a.counters.seldom().forwardsReceived++
	a.tsns.forward(t)
	a.ack.accepted(false)
	return true
}

// handleHeartbeat answers a HEARTBEAT (RFC 9260, section 8.3).
func (a *Association) handleHeartbeat(c wire.Chunk) {
	info, err := c.HeartbeatInfo()
	if err == nil && a.state >= CookieEchoed && a.state != ShutdownSent && a.state != ShutdownAckSent {
		a.control.heartbeatAck(info, a.paths.primary().pmtu.base)
	}
}

// handleHeartbeatAck takes the answer to our HEARTBEAT.
func (a *Association) handleHeartbeatAck(now instant, path *path, c wire.Chunk) {
	info, err := c.HeartbeatInfo()
	if err != nil {
		return
	}
	if rtt, ok := path.pmtu.answered(now, info); ok {
		path.setMTU(path.pmtu.low)
		path.rto.sample(rtt)
		a.answered(path)
	} else if rtt, ok := path.hb.answered(now, info); ok {
		path.rto.sample(rtt)
		path.rack.tlp.fresh = true
		a.answered(path)
		a.scheduleHeartbeat(now, path)
	}
}

func (a *Association) scheduleHeartbeat(now instant, path *path) {
	path.hb.schedule(now, a.cfg.HeartbeatInterval, path.rto.rto, a.id.localTag)
}

// handleAbort ends the association (RFC 9260, section 9.1).
func (a *Association) handleAbort(c wire.Chunk) {
	if a.state == ShutdownAckSent && c.Flags()&wire.FlagT != 0 {
		a.end(nil) // all is delivered, and the peer has no association any more
		return
	}
	e := &PeerAbortError{}
	if it, err := c.Causes(); err == nil {
		if cause, ok := it.Next(); ok {
			e.Code, e.Info = CauseCode(cause.Code()), string(cause.Info())
		} else if it.Err() != nil {
			return // malformed, 9260-3.3.7-a
		}
	}
	a.end(e)
}

// handleError takes an ERROR chunk: it is reported, and only a stale cookie has
// consequences (RFC 9260, sections 3.3.10 and 5.2.6).
func (a *Association) handleError(now instant, c wire.Chunk) {
	it, err := c.Causes()
	if err != nil {
		return
	}
	const most = 8 // causes of one chunk worth reporting
	for n := 0; n < most; n++ {
		cause, ok := it.Next()
		if !ok {
			return
		}
		if cause.Code() == wire.CauseStaleCookie {
			if a.state != CookieEchoed {
				continue
			}
			if a.state = CookieWait; !a.hs.again(now, a.paths.primary().rto.srtt, a.cfg.MaxInitRetransmits) {
				a.end(ErrHandshakeTimeout)
			}
			return // a new INIT, a new cookie
		}
		if a.events.n < maxPeerErrors {
			a.events.push(Event{Kind: EventPeerError, Err: &PeerError{CauseCode(cause.Code()), string(cause.Info())}})
		}
	}
}

// maxPeerErrors bounds the events on behalf of ERROR chunks that nobody takes.
const maxPeerErrors = 64
