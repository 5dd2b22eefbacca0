package sctp

import (
	"net/netip"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// HandlePacket takes a datagram that came in from an address. What is not
// acceptable is dropped and counted, or answered as RFC 9260 says. The packet is
// not kept.
func (e *Endpoint) HandlePacket(now time.Time, from netip.AddrPort, packet []byte) {
	e.HandlePacketECN(now, from, packet, NotECT)
}

// HandlePacketECN is HandlePacket for a datagram whose codepoint of ECN the caller
// knows.
func (e *Endpoint) HandlePacketECN(now time.Time, from netip.AddrPort, packet []byte, mark ECN) {
	e.stats.PacketsReceived++
	from = canonical(from)
	p, err := wire.ParsePacket(packet)
	if err != nil || !unicast(from) {
		e.drop(now, packet, ReasonMalformed)
		return
	}
	r := received{p: p, it: p.Chunks()}
	c, ok := r.it.Next()
	if !ok {
		e.drop(now, packet, ReasonMalformed)
		return
	}
	switch key := keyOf(from, p.SrcPort()); c.Type() {
	case wire.TypeInit:
		e.handleInit(now, key, &r, c)
	case wire.TypeCookieEcho:
		e.handleCookieEcho(now, key, p, c)
	default:
		e.handleOther(now, key, p, mark, c.Type() == wire.TypeSack)
	}
}

// handleOther takes a packet that belongs to an association, if there is one; acks says that it
// begins with a SACK.
func (e *Endpoint) handleOther(now time.Time, key peerKey, p wire.Packet, mark ECN, acks bool) {
	slot, a := e.tags.find(p.VTag(), e.members, &key, true)
	if slot == noSlot {
		// ABORT and SHUTDOWN COMPLETE may carry the peer's tag; everything else
		// with a wrong one the association discards (9260-8.5-a).
		slot = e.known(key)
		if slot == noSlot || p.DstPort() != e.cfg.LocalPort {
			e.answer(now, key, p)
			return
		}
		a = e.assocs[slot]
	} else if e.members[slot].peer.udp != key.udp {
		if !p.ChecksumOK() {
			e.drop(now, p, ReasonChecksum)
			return
		}
		e.rebind(slot, key.addr()) // 6951-5.1-a: after the check of the tag
	}
	e.fetch(slot, a, acks)
	a.HandlePacketECN(now, 0, p, mark)
	e.wake(slot)
}

// deliver hands a packet to its association.
func (e *Endpoint) deliver(now time.Time, slot int32, p wire.Packet) {
	e.assocs[slot].HandlePacket(now, 0, p)
	e.wake(slot)
}

// answer takes a packet for which there is no association: out of the blue (RFC
// 9260, section 8.4), on any port.
func (e *Endpoint) answer(now time.Time, key peerKey, p wire.Packet) {
	e.stats.OutOfTheBlue++
	l := e.answerer()
	l.id.localPort = p.DstPort()
	e.listen(now, key, p)
	l.id.localPort = e.cfg.LocalPort
}

// answerer returns the listener.
func (e *Endpoint) answerer() *Association {
	if e.listener == nil {
		e.listener = e.newAssociation()
	}
	return e.listener
}

// listen lets the listener answer a packet.
func (e *Endpoint) listen(now time.Time, key peerKey, p wire.Packet) {
	l := e.answerer()
	l.id.remotePort = key.port
	l.HandlePacket(now, 0, p)
	e.takeAnswers(key.addr())
}

// takeAnswers queues what the listener has to say.
func (e *Endpoint) takeAnswers(to netip.AddrPort) {
	for b := e.listener.strays.next(); b != nil; b = e.listener.strays.next() {
		if !e.answers.add(to, b) {
			e.stats.AnswersDropped++
		}
	}
}

// handleInit takes a packet that begins with INIT. Tags say nothing about it (RFC
// 9260, section 8.5.1): a peer that is known by its address goes to its
// association, another to the listener.
func (e *Endpoint) handleInit(now time.Time, key peerKey, r *received, c wire.Chunk) {
	e.keys.rotate(now, &e.common.rng)
	if slot := e.known(key); slot != noSlot && r.p.DstPort() == e.cfg.LocalPort {
		e.common.secret = e.keys.bound(0, key.addr())
		e.deliver(now, slot, r.p)
		return
	}
	in, err := c.Init()
	if err != nil || in.Tag == 0 || r.p.VTag() != 0 || !r.it.Last() || !r.p.ChecksumOK() {
		e.drop(now, r.p, ReasonMalformed)
		return
	}
	switch {
	case !e.cfg.Listen || r.p.DstPort() != e.cfg.LocalPort: // 9260-8.4-a
		e.refuse(now, key, r.p, in.Tag, func(b []byte) []byte {
			return wire.AppendChunk(b, wire.TypeAbort, 0, nil)
		})
	case e.stats.Associations >= e.cfg.MaxAssociations:
		e.refuse(now, key, r.p, in.Tag, outOfResource)
	default:
		e.common.secret = e.keys.bound(0, key.addr())
		e.listen(now, key, r.p)
	}
}

// outOfResource appends the ABORT for a peer that there is no room for.
func outOfResource(b []byte) []byte { return appendAbort(b, 0, wire.CauseOutOfResource, nil) }

// refuse answers an attempt to set up an association with ABORT.
func (e *Endpoint) refuse(now time.Time, key peerKey, p wire.Packet, tag uint32, abort func(b []byte) []byte) {
	e.stats.Refused++
	e.tellDropped(now, p, ReasonRefused)
	e.answerer().strays.add(p.DstPort(), key.port, tag, abort)
	e.takeAnswers(key.addr())
}

// handleCookieEcho takes a packet that begins with COOKIE ECHO, which may set up
// an association (RFC 9260, sections 5.1.5 and 5.2.4). Nothing is made before the
// cookie has turned out to be ours, made for this address, and fresh.
func (e *Endpoint) handleCookieEcho(now time.Time, key peerKey, p wire.Packet, c wire.Chunk) {
	e.keys.rotate(now, &e.common.rng)
	slot := e.known(key)
	k, secret, ok := e.keys.open(key.addr(), c.Value())
	if !ok || k.localPort != p.DstPort() || k.peerPort != key.port || k.localTag != p.VTag() || !p.ChecksumOK() {
		e.drop(now, p, ReasonTag) // 9260-5.1.5-a
		return
	}
	switch {
	case slot != noSlot:
		e.common.secret = secret
		e.deliver(now, slot, p)
	case !e.cfg.Listen:
		e.drop(now, p, ReasonRefused)
	case k.staleness(now) > 0:
		e.common.secret = secret
		e.listen(now, key, p)
	case e.stats.Associations >= e.cfg.MaxAssociations || e.byTag(k.localTag, key) != noSlot:
		e.refuse(now, key, p, k.peer.tag, outOfResource)
	default:
		e.accept(now, key, p, secret)
	}
}

// accept makes the association of a good cookie.
func (e *Endpoint) accept(now time.Time, key peerKey, p wire.Packet, secret [32]byte) {
	a := e.newAssociation()
	a.id.remotePort = key.port
	e.common.secret = secret
	a.HandlePacket(now, 0, p)
	if a.state == Closed && !a.ended {
		e.stats.PacketsDropped++
		return
	}
	e.stats.Accepted++
	e.wake(e.insert(a, key))
}
