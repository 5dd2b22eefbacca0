//go:build !js

package sluice

import (
	"time"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// This file counts what goes over each pair of a generation. At ports that is by the addresses, whatever pair
// is selected, for as long as there is a session; what goes over the agent, to TURN servers and over TCP, is
// counted for the pair that is selected.

// trafficBefore is what the ports had counted before a generation: those of several may have the
// same addresses.
type trafficBefore struct {
	checks, data map[udpPair]udpmux.TrafficStats
}

// traffic is what the ports have counted for the session. t.mu is held.
func (t *iceTransport) traffic() map[udpPair]udpmux.TrafficStats {
	var counted map[udpPair]udpmux.TrafficStats
	for _, p := range t.path.Traffic() {
		if counted == nil {
			counted = make(map[udpPair]udpmux.TrafficStats)
		}
		counted[udpPair{p.Local, p.Remote}] = p.TrafficStats
	}
	return counted
}

// countRelay makes the counters of a pair over the agent those in use; at ports there is no need. t.mu is
// held.
func (g *iceGeneration) countRelay(pair udpPair, id string) {
	if pair.local.IsValid() && !g.t.cfg.PlainTransport {
		g.relay.Store(nil)
		return
	}
	counted := g.relays[id]
	if counted == nil && len(g.relays) < maxKnown {
		counted = &udpmux.Traffic{}
		if g.relays == nil {
			g.relays = make(map[string]*udpmux.Traffic)
		}
		g.relays[id] = counted
	}
	g.relay.Store(counted)
}

// pairCounts is all that was counted of a generation.
type pairCounts struct {
	selected udpPair
	checks   map[udpPair]udpmux.TrafficStats
	data     map[udpPair]udpmux.TrafficStats
	relays   map[string]udpmux.TrafficStats
	consent  []checkCounts
}

// counted returns it. t.mu is held.
func (g *iceGeneration) counted() pairCounts {
	c := pairCounts{selected: g.pair, data: g.t.traffic(), consent: g.consent.checked(),
		checks: make(map[udpPair]udpmux.TrafficStats), relays: make(map[string]udpmux.TrafficStats)}
	for pair, now := range c.data {
		c.checks[pair], c.data[pair] = now.Since(g.before.checks[pair]), now.Since(g.before.data[pair])
	}
	for id, t := range g.relays {
		c.relays[id] = t.Stats()
	}
	return c
}

// addTo fills in what is counted of the pairs that are known; selected is the ID of the one in use.
func (c *pairCounts) addTo(known *iceKnowledge, selected string) {
	pairAt := func(at udpPair, inUse bool) *CandidatePairStats {
		if inUse {
			return known.pair(selected)
		}
		return known.pairOf(at)
	}
	atPort := make(map[*CandidatePairStats]bool)
	for at, t := range c.data {
		p := pairAt(at, at == c.selected)
		if p == nil {
			continue // the agent has dropped it, or never had it
		}
		if !atPort[p] {
			atPort[p], p.ResponsesReceived = true, 0 // what the agent has counted is counted here, too
		}
		checks := c.checks[at]
		p.RequestsSent += checks.RequestsSent
		p.RequestsReceived += checks.RequestsReceived
		p.ResponsesSent += checks.ResponsesSent
		p.ResponsesReceived += checks.ResponsesReceived
		p.addData(t)
	}
	for id, t := range c.relays {
		if p := known.pair(id); p != nil {
			p.addData(t)
		}
	}
	for i, n := range c.consent {
		p := pairAt(n.udpPair, i == len(c.consent)-1)
		if p == nil {
			continue
		}
		p.ConsentRequestsSent += n.requests
		p.TotalRoundTripTime += n.total.Seconds()
		if n.responses > 0 {
			p.CurrentRoundTripTime = n.rtt.Seconds()
		}
		if !atPort[p] {
			p.RequestsSent += n.requests
			p.ResponsesReceived += n.responses
		}
	}
}

// addData adds counters of data.
func (p *CandidatePairStats) addData(t udpmux.TrafficStats) {
	p.PacketsSent += t.Sent
	p.BytesSent += t.SentBytes
	p.PacketsReceived += t.Received
	p.BytesReceived += t.ReceivedBytes
	p.PacketsDiscardedOnSend += t.Lost
	p.BytesDiscardedOnSend += t.LostBytes
	later := func(s *StatsTimestamp, at time.Time) {
		if at.After(s.Time) {
			s.Time = at
		}
	}
	later(&p.LastPacketSent, t.LastSent)
	later(&p.LastPacketReceived, t.LastReceived)
}
