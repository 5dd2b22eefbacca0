package sctp

import (
	"net/netip"
	"time"
)

// handoverSilence is how long an Endpoint stays silent to the peer of an association
// that it handed over, whose packets may take a while to find their new way. An
// ABORT, the answer to packets out of the blue, would end the association there.
const handoverSilence = 2 * time.Minute

// Handover hands an association over; see Association.Handover for the state and the
// error, which is ErrClosed if there is no such association. For two minutes packets
// for it are dropped, and its place counts as taken, unless it is resumed here.
func (e *Endpoint) Handover(now time.Time, id AssociationID) ([]byte, error) {
	slot := e.slot(id)
	if slot == noSlot {
		return nil, ErrClosed
	}
	e.keys.rotate(now, &e.common.rng)
	e.common.secret = e.keys.bound(0, e.members[slot].peer.addr())
	state, err := e.assocs[slot].Handover(now)
	if err != nil {
		return nil, err
	}
	e.members[slot].silent = true
	e.agenda.remove(slot)
	e.agenda.atLatest(slot, e.common.clock.read(now).Add(handoverSilence))
	e.wake(slot)
	return state, nil
}

// Resume takes over an association from another Endpoint, whose Handover returned
// state; its peer is at an address. See the function Resume, whose errors it returns
// besides those of Connect. EventConnected follows. The association keeps its verification
// tag, which the peer knows: if that is of another TagShard than those of this Endpoint, ShardOf
// goes on naming the other one, and whoever hands out the packets has to know of the exception.
func (e *Endpoint) Resume(now time.Time, peer netip.AddrPort, state []byte) (AssociationID, error) {
	peer = canonical(peer)
	switch {
	case !unicast(peer):
		return 0, ErrInvalidAddress
	case e.stats.Associations >= e.cfg.MaxAssociations:
		return 0, ErrTooManyAssociations
	}
	a, err := e.newAssociation().resume(now, state)
	if err != nil {
		return 0, err
	}
	if a.id.localPort != e.cfg.LocalPort {
		return 0, &ResumeError{"the association has another SCTP port than the Endpoint"}
	}
	key := keyOf(peer, a.id.remotePort)
	if slot := e.known(key); slot != noSlot && e.members[slot].silent && e.members[slot].tag == a.id.localTag { // it is back
		e.members[slot].silent = false
		e.settle(slot)
	}
	if e.known(key) != noSlot || e.byTag(a.id.localTag, key) != noSlot {
		return 0, ErrPeerInUse
	}
	slot := e.insert(a, key)
	e.wake(slot)
	return newAssociationID(slot, e.members[slot].turn), nil
}
