package sctp

import "net/netip"

// noSlot stands for no association.
const noSlot int32 = -1

// peerKey is how a peer is known as long as the tag is not: by its address and
// its SCTP port. The UDP port is part of it, unlike RFC 9260 has it, for which
// there is none: peers behind one NAT that chose the same SCTP port stay apart,
// and none of them can restart the association of another.
type peerKey struct {
	ip        netip.Addr
	udp, port uint16
}

func keyOf(addr netip.AddrPort, port uint16) peerKey { return peerKey{addr.Addr(), addr.Port(), port} }

// addr returns the address without the SCTP port.
func (k *peerKey) addr() netip.AddrPort { return netip.AddrPortFrom(k.ip, k.udp) }

// member is what the Endpoint keeps of the association in a slot. It fits a line of the cache.
type member struct {
	peer      peerKey
	until     instant // what it waits for, and its appointment is not later; zero: nothing
	turn      uint32  // of the slot; counts its associations
	tag       uint32  // under which it is in the table of tags; 0: it is not
	byPeer    bool    // it is in the table of peers
	halfOpen  bool
	silent    bool  // handed over: what comes for it gets no answer
	sending   bool  // it is in the queue
	reporting bool  // it is in the queue
	run       uint8 // packets sent in a row
}

// slot returns the slot of an association, noSlot if it is gone.
func (e *Endpoint) slot(id AssociationID) int32 {
	n := uint64(id) & (1<<32 - 1)
	if n >= uint64(len(e.assocs)) || e.assocs[n] == nil || e.members[n].turn != uint32(id>>32) {
		return noSlot
	}
	return int32(n)
}

// known returns the association of a peer, by address; noSlot if there is none.
func (e *Endpoint) known(peer peerKey) int32 {
	slot, _ := e.peers.find(e.hashes.of(peer), e.members, &peer, false)
	return slot
}

// byTag returns the association that a peer, whose UDP port may have changed, sends packets with
// this tag to; noSlot if there is none.
func (e *Endpoint) byTag(tag uint32, peer peerKey) int32 {
	slot, _ := e.tags.find(tag, e.members, &peer, true)
	return slot
}

// insert gives an association a slot.
func (e *Endpoint) insert(a *Association, peer peerKey) int32 {
	var slot int32
	if n := len(e.free); n > 0 {
		slot = e.free[n-1]
		e.free = e.free[:n-1]
	} else {
		slot = int32(len(e.members))
		e.assocs = append(e.assocs, nil)
		e.members = append(e.members, member{})
		e.agenda.grow()
	}
	a.id.remotePort = peer.port
	e.assocs[slot] = a
	e.members[slot] = member{turn: e.members[slot].turn + 1, peer: peer, tag: a.id.localTag, byPeer: true}
	e.tags.add(a.id.localTag, slot, a)
	e.peers.add(e.hashes.of(peer), slot, a)
	e.stats.Associations++
	return slot
}

// wake lets an association send and report, after it was called into.
func (e *Endpoint) wake(slot int32) {
	if m := &e.members[slot]; !m.sending {
		m.sending = true
		e.sending.push(slot)
	}
	e.settle(slot)
}

// settle brings what the Endpoint knows of an association up to date. An
// association that has ended is found no more, and gives its slot back once all
// was sent and reported.
func (e *Endpoint) settle(slot int32) {
	a, m := e.assocs[slot], &e.members[slot]
	if m.halfOpen && (a.state >= Established || a.ended) {
		m.halfOpen = false
		e.stats.HalfOpen--
	}
	if a.events.n > 0 && !m.reporting {
		m.reporting = true
		e.reporting.push(slot)
	}
	if m.silent {
		return
	}
	if a.ended {
		e.hide(slot)
		if !m.sending && !m.reporting {
			e.remove(slot)
		}
		return
	}
	if m.tag != a.id.localTag { // it has restarted
		e.tags.remove(m.tag, slot)
		m.tag = a.id.localTag
		e.tags.add(m.tag, slot, a)
	}
	at, on := a.deadline()
	if !on {
		at = 0
	} else if m.until.IsZero() || at.Before(m.until) {
		e.agenda.atLatest(slot, at)
	}
	m.until = at
}

// hide takes an association out of the tables.
func (e *Endpoint) hide(slot int32) {
	m := &e.members[slot]
	if m.tag != 0 {
		e.tags.remove(m.tag, slot)
		m.tag = 0
	}
	if m.byPeer {
		e.peers.remove(e.hashes.of(m.peer), slot)
		m.byPeer = false
	}
	e.agenda.remove(slot)
}

// remove forgets an association.
func (e *Endpoint) remove(slot int32) {
	e.assocs[slot] = nil
	e.free = append(e.free, slot)
	if e.stats.Associations--; e.stats.Associations == 0 {
		e.common.pool().clear() // no timer will
	}
}

// rebind takes note that the peer is heard of from another port (RFC 6951, section
// 5.1). Should another association be known under that address, it stays so; its
// tag is enough to find the one.
func (e *Endpoint) rebind(slot int32, to netip.AddrPort) {
	m := &e.members[slot]
	if m.byPeer {
		e.peers.remove(e.hashes.of(m.peer), slot)
	}
	m.peer = keyOf(to, m.peer.port)
	m.byPeer = e.known(m.peer) == noSlot
	if m.byPeer {
		e.peers.add(e.hashes.of(m.peer), slot, e.assocs[slot])
	}
}

// canonical returns an address in the one form in which addresses are compared.
func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// unicast reports whether an address can be that of a peer (9260-8.4-a).
func unicast(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.Port() != 0 && ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
