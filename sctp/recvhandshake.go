package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// localInit returns the fixed part of our INIT.
func (a *Association) localInit() wire.Init { return newInit(a.cfg, a.id.localTag, a.hs.localTSN) }

func newInit(cfg *Config, tag uint32, tsn wire.TSN) wire.Init {
	return wire.Init{
		Tag: tag, ARwnd: uint32(cfg.ReceiveBuffer),
		OutStreams: cfg.OutboundStreams, InStreams: cfg.InboundStreams, InitialTSN: tsn,
	}
}

// minWindow is the least window that a peer may advertise (RFC 9260, section 3.3.2).
const minWindow = 1500

// handleInit answers an INIT with an INIT ACK whose cookie holds everything, and
// changes nothing (RFC 9260, sections 5.1, 5.2.1 and 5.2.2).
func (a *Association) handleInit(now instant, r *received, c wire.Chunk) {
	in, err := c.Init()
	if err != nil || in.Tag == 0 || a.ended {
		return
	}
	if in.ARwnd < minWindow || in.OutStreams == 0 || in.InStreams == 0 { // 9260-3.3.2-b
		a.refuse(in.Tag, wire.CauseInvalidParam, nil)
		return
	}
	f := readInit(in, a.cfg)
	switch {
	case f.hostName != nil: // 9260-3.3.2.1-a
		a.refuse(in.Tag, wire.CauseUnresolvableAddress, f.hostName)
		return
	case f.malformed:
		a.refuse(in.Tag, wire.CauseProtocolViolation, []byte("INIT parameters"))
		return
	case a.state == ShutdownAckSent: // 9260-9.2-d
		a.closer.due = true // without tag it is no sign of life, so T2 counts on
		return
	}
	k := cookie{
		created: a.clock.told, life: a.cfg.CookieLife + min(f.preserve, a.cfg.CookieLife), // twice as long at most
		localPort: a.id.localPort, peerPort: a.id.remotePort,
		localTag: a.id.localTag, localTSN: a.hs.localTSN, peer: f.peer,
	}
	switch {
	case a.state == CookieWait, a.hs.snap == snapUnheard: // 9260-5.2.1-a: our own tag and TSN, no Tie-Tags
	case a.state == CookieEchoed: // 9260-5.2.1-b
		k.localTie, k.peerTie = a.id.localTag, a.id.peerTag
	case a.state == Closed: // a tag for this INIT alone
		k.localTag, k.localTSN = a.cfg.TagShard.random(a.rng.Uint64)
	default: // 9260-5.2.2-a
		k.localTag, k.localTSN = a.cfg.TagShard.random(a.rng.Uint64)
		k.localTie, k.peerTie = a.id.localTag, a.id.peerTag
	}
	ack := a.localInit()
	ack.Tag, ack.InitialTSN = k.localTag, k.localTSN
	ack.OutStreams = min(ack.OutStreams, in.InStreams) // 9260-3.3.3-a
	var sealed [cookieLen]byte
	a.strays.add(a.id.localPort, a.id.remotePort, in.Tag, func(b []byte) []byte {
		return appendInit(b, wire.TypeInitAck, ack, a.cfg, k.seal(sealed[:0], a.cookieKey()),
			wire.ParseParams(f.unrecognized), r.path.pmtu.base-commonHeader)
	})
}

// refuse sends an ABORT with a tag, that of the INIT or INIT ACK that it answers
// (RFC 9260, section 5.1). What does not fit a packet of the cause is cut.
func (a *Association) refuse(tag uint32, code wire.CauseCode, info []byte) {
	info = info[:min(len(info), a.paths.primary().pmtu.base-commonHeader-8)]
	a.strays.add(a.id.localPort, a.id.remotePort, tag, func(b []byte) []byte {
		return appendAbort(b, 0, code, info)
	})
}

func appendAbort(b []byte, flags uint8, code wire.CauseCode, info []byte) []byte {
	start := len(b)
	b = wire.BeginChunk(b, wire.TypeAbort, flags)
	b = wire.AppendCause(b, start, code, info)
	return wire.EndChunk(b, start)
}

// handleInitAck takes the answer to our INIT (RFC 9260, sections 3.3.3 and 5.1).
func (a *Association) handleInitAck(now instant, r *received, c wire.Chunk) {
	in, err := c.InitAck()
	if err != nil || a.state != CookieWait { // 9260-5.2.3-a
		return
	}
	switch {
	case in.Tag == 0: // 9260-3.3.3-b
		a.strays.add(a.id.localPort, a.id.remotePort, r.p.VTag(), func(b []byte) []byte {
			return appendAbort(b, wire.FlagT, wire.CauseInvalidParam, nil)
		})
		a.end(&AbortedError{CauseCode(wire.CauseInvalidParam), "INIT ACK with Initiate Tag 0"})
		return
	case in.OutStreams == 0 || in.InStreams == 0:
		a.id.peerTag = in.Tag
		a.abort(wire.CauseInvalidParam, nil)
		return
	case in.ARwnd < minWindow:
		a.refuse(in.Tag, wire.CauseInvalidParam, nil)
		return
	}
	f := readInit(in, a.cfg)
	a.id.peerTag = in.Tag
	switch {
	case f.hostName != nil:
		a.abort(wire.CauseUnresolvableAddress, f.hostName)
		return
	case f.malformed:
		a.abort(wire.CauseProtocolViolation, []byte("INIT ACK parameters"))
		return
	case f.cookie == nil: // 9260-5.1-c
		a.abort(wire.CauseMissingParam, []byte{0, 0, 0, 1, 0, byte(wire.ParamStateCookie)})
		return
	case len(f.cookie) > r.path.pmtu.base-commonHeader-4:
		a.abort(wire.CauseOutOfResource, nil)
		return
	}
	if a.hs.transmits == 1 { // Karn's algorithm
		r.path.rto.sample(now.Sub(a.hs.sentAt))
		r.path.rack.tlp.fresh = true
	}
	a.peer, a.hs.learned = f.peer, a.clock.told.UnixNano()
	a.hs.cookie = append(a.hs.room[:0], f.cookie...)
	a.hs.peerKind = guessPeer(f.cookie)
	a.hs.unrecognized = f.unrecognized
	a.hs.next()
	a.state = CookieEchoed
}

// handleCookieEcho takes a packet that begins with COOKIE ECHO (RFC 9260,
// sections 5.1.5 and 5.2.4); false means that the packet is done with.
func (a *Association) handleCookieEcho(now instant, r *received, c wire.Chunk) bool {
	k, ok := openCookie(a.cookieKey(), c.Value())
	if !ok || k.localPort != a.id.localPort || k.peerPort != a.id.remotePort || k.localTag != r.p.VTag() {
		return false
	}
	stale := k.staleness(a.clock.told)
	if stale > 0 && !(k.localTag == a.id.localTag && k.peer.tag == a.id.peerTag && a.state != Closed) { // 9260-5.2.4-a
		a.reportStale(&k, stale)
		return false
	}
	if a.state == Closed {
		a.adopt(now, &k)
		a.establish(now, r.path)
		a.hs.cookieAck = true
		return true
	}
	if a.hs.snap == snapUnheard {
		a.fallBack(now, r.path, &k)
		a.hs.cookieAck = true
		return true
	}
	what := a.id.collide(&k)
	if what == collisionCrossed && a.state >= Established {
		what = a.hs.overtaken(&k)
	}
	switch what {
	case collisionRestart:
		if a.state == ShutdownAckSent { // 9260-5.2.4-c
			a.closer.want()
			a.control.errorCause(wire.CauseCookieShuttingDown, nil, r.path.pmtu.base)
			return false
		}
		a.restart(now, r.path, &k)
	case collisionCrossed, collisionSame:
		if a.state < Established {
			a.adopt(now, &k)
			a.establish(now, r.path)
		}
	default:
		return false
	}
	a.hs.cookieAck = true
	return true
}

// reportStale answers an expired cookie (RFC 9260, section 5.1.5).
func (a *Association) reportStale(k *cookie, stale time.Duration) {
	us := uint32(min(stale.Microseconds(), 1<<32-1))
	a.strays.add(a.id.localPort, a.id.remotePort, k.peer.tag, func(b []byte) []byte {
		start := len(b)
		b = wire.BeginChunk(b, wire.TypeError, 0)
		b = wire.AppendCauseUint32(b, start, wire.CauseStaleCookie, us)
		return wire.EndChunk(b, start)
	})
}

// adopt takes over what a cookie says of both sides.
func (a *Association) adopt(now instant, k *cookie) {
	a.id.localTag, a.id.peerTag = k.localTag, k.peer.tag
	a.hs.localTSN, a.hs.learned = k.localTSN, k.created.UnixNano()
	a.peer = k.peer
}

// handleCookieAck finishes our handshake.
func (a *Association) handleCookieAck(now instant, path *path) {
	if a.state == CookieEchoed { // 9260-5.2.5-a
		a.establish(now, path)
	}
}

// establish begins the transfer of data.
func (a *Association) establish(now instant, path *path) {
	a.hs.finish()
	a.state = Established
	a.begin(now)
	a.events.push(Event{Kind: EventConnected})
}

// begin sets the components of the transfer to their start.
func (a *Association) begin(now instant) {
	interleaved := a.peer.interleaving
	a.sent.init(a.hs.localTSN)
	a.forward.init(a.hs.localTSN, a.peer.forwardTSN, interleaved)
	a.out.interleaved, a.in.interleaved = interleaved, interleaved
	a.recovery.clear()
	a.window = peerWindow{advertised: windowBytes(a.peer.window)}
	a.tsns.init(a.peer.initialTSN)
	a.ack.init(a.cfg.ReceiveBuffer, a.peer.nrSack)
	a.reconfig.init(a.hs.localTSN, a.peer.initialTSN, a.peer.reconfig,
		int(min(a.cfg.OutboundStreams, a.peer.inStreams)), int(min(a.cfg.InboundStreams, a.peer.outStreams)))
	path := a.paths.primary()
	a.scheduleHeartbeat(now, path)
	path.pmtu.noPad = !a.knowsPad()
	path.pmtu.begin()
	path.ecn = ecn{on: a.peer.ecn}
}

// knowsPad reports whether the peer is known to skip a PAD chunk, as everybody has to (RFC 4820, section 3): it
// is an implementation that we know, or its INIT, INIT ACK or token names more than the oldest extensions (RFC 3758, RFC 6525),
// whether we use it or not, or it knows SNAP. There is another whose whole
// process ends at a chunk of a type that it does not know (werift 0.25), and nothing else in its INIT to tell it by. Those
// without get probes that are one long HEARTBEAT (RFC 4821, section 10.2), whose answer is as long, so that
// what is found is what the path carries both ways.
func (a *Association) knowsPad() bool {
	return a.hs.peerKind != PeerUnknown || a.peer.pads
}

// restart begins the association anew after the peer has (RFC 9260, section
// 5.2.4.1). What the application has not read stays readable; what it sent and
// was not acknowledged is lost. A shutdown that it has begun goes on.
func (a *Association) restart(now instant, path *path, k *cookie) {
	a.adopt(now, k)
	a.hs.finish()
	a.closer.stop()
	a.paths.restart(a.cfg)
	a.control.init()
	a.out.restart()
	a.in.restart()
	ending := a.state == ShutdownPending || a.state == ShutdownSent
	a.state = Established
	a.begin(now)
	a.events.push(Event{Kind: EventRestarted})
	a.reportSend()
	if ending { // as was asked for
		a.state = ShutdownPending
		a.progressShutdown(now)
	}
}
