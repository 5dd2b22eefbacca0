//go:build !js

package sluice

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"weak"

	"github.com/sluice-rtc/sluice/datachannel"
)

// A link is what a data section stands for: ICE, DTLS and the session above them,
// and what was negotiated of them. A PeerConnection has one at a time, from the
// beginning, as channels are created before there is a section for them. It gets
// another when a negotiation ends the association (RFC 8841, section 10), and when
// one begins another DTLS association (RFC 8842, section 3.1): if an offer of the peer
// does, with ICE of its own, if an answer does with that of the link before. All but core
// and tlsID is guarded by the lock of the PeerConnection.
type link struct {
	core  *core  // its number is that of the link, from 1
	tlsID string // for a=tls-id

	peer       *peerDescription // in use since start, nil before
	dtlsClient bool
	left       []string         // the tls-ids of peers that may take ours for an association of before, which is over here
	returned   bool             // the answer of one of them was refused: an ICE restart is to bring another association
	snap       bool             // a=sctp-init was in our description
	passed     map[string]bool  // remote candidates given to ICE
	held       []localCandidate // local candidates not yet reported, an empty one for their end
	ice        ICEConnectionState
	gathering  ICEGatheringState
	dtls       DTLSState
}

// maxLeft bounds link.left; the oldest goes for the next.
const maxLeft = 8

// newLink returns a link that has begun nothing.
func (pc *PeerConnection) newLink() (*link, error) {
	return pc.makeLink(func(ev coreEvents) (*core, error) { return newCore(pc.cfg, ev) })
}

// newHeir returns a link for another association over ICE of the one in use, which
// replaceLink gives it. If the offer of that association is out, it is described there as the
// one in use: by the same tls-id and INIT token.
func (pc *PeerConnection) newHeir(offered bool) (*link, error) {
	l, err := pc.makeLink(func(ev coreEvents) (*core, error) { return pc.core.successor(ev, offered) })
	if offered {
		l.tlsID = pc.tlsID
	}
	return l, err
}

func (pc *PeerConnection) makeLink(newCore func(coreEvents) (*core, error)) (*link, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	l := &link{
		tlsID:     hex.EncodeToString(id[:]), // 128 random bits, 8842-4-a
		ice:       ICEConnectionStateNew,
		gathering: ICEGatheringStateNew,
		dtls:      DTLSStateNew,
	}
	var err error
	l.core, err = newCore(coreEvents{
		queue:          &pc.events,
		candidate:      func(c localCandidate) { pc.handleLocalCandidate(l, c) },
		gatheringState: func(s ICEGatheringState) { pc.handleGatheringState(l, s) },
		iceState:       func(s ICEConnectionState) { pc.handleICEState(l, s) },
		dtlsState:      func(s DTLSState) { pc.handleDTLSState(l, s) },
		channel:        pc.handleChannel,
	})
	if err == nil {
		pc.links++
		l.core.number = pc.links
	}
	return l, err
}

// owner returns the link that has the ICE of l now: what l hears of candidates is about that,
// if another has taken over meanwhile. pc.mu is held.
func (pc *PeerConnection) owner(l *link) *link {
	if pc.core.ice == l.core.ice {
		return pc.link
	}
	return l
}

// replaceLink goes on with another link. The channels of the one in use end, with
// the error if they were never connected. pc.mu is held.
func (pc *PeerConnection) replaceLink(next *link, why error) {
	old := pc.link
	if l := pc.currentLocal; l != nil && l.text == "" && l.desc.ufrag != next.core.localCredentials().ufrag {
		l.text = pc.textOf(l.desc) // with its candidates, which go with the link
	}
	old.core.session.Fail(why)
	pc.past.add(peerConnectionStats(old.core.session.Stats()))
	pc.former = slices.DeleteFunc(pc.former, func(s weak.Pointer[datachannel.Session]) bool { return s.Value() == nil })
	pc.former = append(pc.former, weak.Make(old.core.session))
	if next.core.ice == old.core.ice {
		begun := next.core.takeOver(old.core)
		if next.tlsID == old.tlsID {
			next.left = old.left
		}
		if begun && next.tlsID == old.tlsID && old.peer.dtls.tlsID != "" {
			next.left = append(next.left[max(0, len(next.left)+1-maxLeft):], old.peer.dtls.tlsID)
		}
		next.gathering, next.held = old.gathering, old.held
	}
	if pc.spare != next {
		pc.retire(pc.spare)
	}
	pc.retire(old)
	pc.link, pc.spare, pc.outdated = next, nil, nil
	if old.gathering != next.gathering {
		fire(pc, func(on *peerConnectionEvents) func(ICEGatheringState) { return on.gathering }, next.gathering)
	}
	if old.ice != next.ice {
		fire(pc, func(on *peerConnectionEvents) func(ICEConnectionState) { return on.ice }, next.ice)
	}
	pc.events.post(pc.updateConnectionState)
}

// retire closes a link in the background, which Close waits for; l may be nil. pc.mu
// is held.
func (pc *PeerConnection) retire(l *link) {
	if l == nil {
		return
	}
	pc.retiring.Add(1)
	go func() {
		defer pc.retiring.Done()
		l.core.close()
	}()
}

// dropRemoteOffer forgets the pending remote description, with the link that it would
// have brought. pc.mu is held.
func (pc *PeerConnection) dropRemoteOffer() {
	if pc.pendingRemote != nil {
		pc.retire(pc.pendingRemote.next)
	}
	pc.pendingRemote = nil
}
