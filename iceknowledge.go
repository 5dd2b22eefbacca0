//go:build !js

package sluice

import (
	"net/netip"
	"slices"

	"github.com/pion/ice/v2"
)

// iceKnowledge are the candidates and pairs of a generation as statistics have them: what
// the agent tells, and what stays of that when it is gone.
type iceKnowledge struct {
	pairs           []CandidatePairStats
	locals, remotes []CandidateStats
	selected        string // ID of the selected pair, "" before there is one
}

// maxKnown bounds the candidates of the peer that are known, and the pairs.
const maxKnown = 2 * maxRemoteCandidates

// agentKnowledge is what the agent knows now.
func agentKnowledge(agent *ice.Agent) iceKnowledge {
	locals, _ := agent.GetLocalCandidates() // an error says that it is closed
	remotes, _ := agent.GetRemoteCandidates()
	k := iceKnowledge{locals: candidateStats(locals), remotes: candidateStats(remotes)}
	for _, p := range agent.GetCandidatePairsStats() {
		k.pairs = append(k.pairs, CandidatePairStats{
			StatsObject:      StatsObject{ID: pairID(p.LocalCandidateID, p.RemoteCandidateID)},
			LocalCandidateID: p.LocalCandidateID, RemoteCandidateID: p.RemoteCandidateID,
			State: p.State.String(), Nominated: p.Nominated,
			CurrentRoundTripTime: p.CurrentRoundTripTime, TotalRoundTripTime: p.TotalRoundTripTime,
			ResponsesReceived: p.ResponsesReceived,
		})
	}
	if p, ok := agent.GetSelectedCandidatePairStats(); ok {
		k.selected = pairID(p.LocalCandidateID, p.RemoteCandidateID)
	}
	return k
}

func pairID(local, remote string) string { return local + "-" + remote }

func candidateStats(list []ice.Candidate) []CandidateStats {
	var out []CandidateStats
	for _, c := range list {
		out = append(out, describeCandidate(c))
	}
	return out
}

func describeCandidate(c ice.Candidate) CandidateStats {
	s := CandidateStats{
		StatsObject: StatsObject{ID: c.ID()}, Address: c.Address(), Port: c.Port(), Protocol: c.NetworkType().NetworkShort(),
		CandidateType: c.Type().String(), Priority: c.Priority(), Foundation: c.Foundation(),
	}
	if r := c.RelatedAddress(); r != nil {
		s.RelatedAddress, s.RelatedPort = r.Address, r.Port
	}
	if t := c.TCPType(); t != ice.TCPTypeUnspecified {
		s.TCPType = t.String()
	}
	if r, ok := c.(interface{ RelayProtocol() string }); ok {
		s.RelayProtocol = r.RelayProtocol()
	}
	return s
}

func (k *iceKnowledge) clone() iceKnowledge {
	return iceKnowledge{slices.Clone(k.pairs), slices.Clone(k.locals), slices.Clone(k.remotes), k.selected}
}

// addRemote takes a candidate that the agent does not know, if it is new and there is room.
func (k *iceKnowledge) addRemote(c ice.Candidate) {
	known := slices.ContainsFunc(k.remotes, func(r CandidateStats) bool {
		return r.Address == c.Address() && r.Port == c.Port() && r.CandidateType == c.Type().String()
	})
	if !known && len(k.remotes) < maxKnown {
		k.remotes = append(k.remotes, describeCandidate(c))
	}
}

// candidateAt returns the candidate with an address, nil if there is none.
func candidateAt(list []CandidateStats, at netip.AddrPort) *CandidateStats {
	for i := range list {
		c := &list[i]
		if addr, err := netip.ParseAddr(c.Address); err == nil && c.Port == int(at.Port()) && addr.Unmap() == at.Addr() {
			return c
		}
	}
	return nil
}

// pair returns the pair with that ID, nil if there is none.
func (k *iceKnowledge) pair(id string) *CandidatePairStats {
	for i := range k.pairs {
		if k.pairs[i].ID == id {
			return &k.pairs[i]
		}
	}
	return nil
}

// pairOf returns the pair with those addresses, nil if there is none.
func (k *iceKnowledge) pairOf(pair udpPair) *CandidatePairStats {
	local, remote := candidateAt(k.locals, pair.local), candidateAt(k.remotes, pair.remote)
	if local == nil || remote == nil {
		return nil
	}
	for i := range k.pairs {
		if p := &k.pairs[i]; p.LocalCandidateID == local.ID && p.RemoteCandidateID == remote.ID {
			return p
		}
	}
	return nil
}

// selectPair makes a pair the selected one that has been checked, be it known or not: then
// the peer's candidate is peer-reflexive.
func (k *iceKnowledge) selectPair(pair udpPair) {
	k.selected = ""
	p := k.pairOf(pair)
	if p == nil && len(k.pairs) < maxKnown {
		p = k.addPair(pair)
	}
	if p != nil {
		p.State, p.Nominated = ice.CandidatePairState(ice.CandidatePairStateSucceeded).String(), true
		k.selected = p.ID
	}
}

// addPair makes a pair that the agent did not know; nil if there is no such local candidate
// or too many of the peer.
func (k *iceKnowledge) addPair(pair udpPair) *CandidatePairStats {
	if candidateAt(k.remotes, pair.remote) == nil {
		c, err := ice.NewCandidatePeerReflexive(&ice.CandidatePeerReflexiveConfig{Network: "udp",
			Address: pair.remote.Addr().String(), Port: int(pair.remote.Port()), Component: ice.ComponentRTP})
		if err != nil {
			return nil // never: that is an address
		}
		k.addRemote(c)
	}
	local, remote := candidateAt(k.locals, pair.local), candidateAt(k.remotes, pair.remote)
	if local == nil || remote == nil {
		return nil
	}
	k.pairs = append(k.pairs, CandidatePairStats{
		StatsObject: StatsObject{ID: pairID(local.ID, remote.ID)}, LocalCandidateID: local.ID, RemoteCandidateID: remote.ID})
	return &k.pairs[len(k.pairs)-1]
}

// Priorities of a candidate that is not known: those of a peer-reflexive one (RFC 8445,
// section 5.1.2.1) on a host with one address, for whom the library takes all of them. Which of two
// such has been nominated last then decides.
const unknownPriority = 110<<24 | 65535<<8 | 255

// peerReflexive is what RFC 8445, section 7.1.1, has a check say: the priority that the local
// candidate would have as a peer-reflexive one.
func peerReflexive(priority uint32) uint32 { return 110<<24 | priority&0xFFFFFF }

// localPriority returns the priority of our candidate in a pair.
func (k *iceKnowledge) localPriority(pair udpPair) uint32 {
	if c := candidateAt(k.locals, pair.local); c != nil {
		return c.Priority
	}
	return unknownPriority
}

// priority returns the priority of a pair (RFC 8445, section 6.1.2.3), but for its last bit.
func (k *iceKnowledge) priority(pair udpPair) uint64 {
	local, remote := k.localPriority(pair), uint32(unknownPriority)
	if c := candidateAt(k.remotes, pair.remote); c != nil {
		remote = c.Priority
	}
	return uint64(min(local, remote))<<32 + 2*uint64(max(local, remote))
}
