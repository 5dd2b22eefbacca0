package sluice

import (
	"testing"

	"github.com/pion/ice/v2"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// pairStats returns the statistics of all pairs by the port of the peer, and of the transport.
func (p *testPeer) pairStats(t *testing.T) (map[int]CandidatePairStats, TransportStats) {
	t.Helper()
	s := p.Stats()
	ports := make(map[string]int)
	for _, c := range s.RemoteCandidates {
		ports[c.ID] = c.Port
	}
	pairs := make(map[int]CandidatePairStats)
	for _, pair := range s.CandidatePairs {
		pairs[ports[pair.RemoteCandidateID]] = pair
	}
	return pairs, s.Transport
}

// What goes over a pair counts there: data that comes over one that is not selected, checks of all, and
// a pair that is selected again goes on where it was. W3C webrtc-stats, RTCIceCandidatePairStats.
func TestPairStats(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	exchange(t, p.x, p.y)
	g, _ := keptOf(p.b.core)
	first, via := g.pair, g.consent.via
	moved := p.elsewhere(t)
	moved.announce(p.b)
	moved.wantAnswer(moved.check(ice.UseCandidate()))
	before, _ := p.b.pairStats(t)
	old := before[int(first.remote.Port())]
	if old.PacketsSent == 0 || old.PacketsReceived == 0 || old.RequestsSent == 0 || old.RequestsReceived == 0 || old.ResponsesSent == 0 ||
		old.ResponsesReceived == 0 || old.LastPacketSent.IsZero() || old.LastPacketReceived.IsZero() {
		t.Errorf("the pair in use: %+v", old)
	}
	moved.answer(moved.wantCheck(), moved.local.pwd)
	if !eventually(func() bool { return remoteOf(p.b) == moved.addr().String() }) {
		t.Fatal("data does not go to the new pair")
	}
	must(t, p.x.Send([]byte("over the old pair")))
	if _, err := p.y.ReadMessage(t.Context()); err != nil { // which b acknowledges over the new one
		t.Fatal(err)
	}
	if !eventually(func() bool { now, _ := p.b.pairStats(t); return now[int(moved.addr().Port())].PacketsSent > 0 }) {
		t.Error("nothing was sent over the new pair")
	}
	g.t.mu.Lock()
	g.kept.known.selectPair(first)
	g.consent.move(via, first.remote, peerReflexive(1))
	g.choose(first, "")
	g.t.mu.Unlock()
	exchange(t, p.x, p.y)
	now, tr := p.b.pairStats(t)
	again, other := now[int(first.remote.Port())], now[int(moved.addr().Port())]
	if again.PacketsSent <= old.PacketsSent || again.PacketsReceived <= old.PacketsReceived || again.RequestsReceived < old.RequestsReceived ||
		again.ConsentRequestsSent < old.ConsentRequestsSent || again.TotalRoundTripTime < old.TotalRoundTripTime {
		t.Errorf("the pair that is selected again: %+v, before %+v", again, old)
	}
	if other.PacketsReceived != 0 || other.RequestsSent == 0 || other.ResponsesReceived != 1 || other.RequestsReceived != 1 || other.ResponsesSent != 1 {
		t.Errorf("the pair in between: %+v", other)
	}
	if !eventually(func() bool { // packets may go while it is counted
		now, tr = p.b.pairStats(t)
		again, other = now[int(first.remote.Port())], now[int(moved.addr().Port())]
		return again.PacketsSent+other.PacketsSent == tr.PacketsSent && again.BytesReceived+other.BytesReceived == tr.BytesReceived
	}) {
		t.Errorf("of %d packets sent the pairs have %d and %d; of %d bytes received %d and %d",
			tr.PacketsSent, again.PacketsSent, other.PacketsSent, tr.BytesReceived, again.BytesReceived, other.BytesReceived)
	}

	// The pairs of another generation begin anew, be their addresses the same.
	p.b.RestartICE()
	negotiate(t, p.b, p.a, false)
	if !eventually(func() bool { next, _ := keptOf(p.b.core); return next != nil && next != g }) {
		t.Fatal("no new generation")
	}
	exchange(t, p.x, p.y)
	if now, tr := p.b.pairStats(t); len(now) == 0 || now[int(first.remote.Port())].BytesReceived >= tr.BytesReceived {
		t.Errorf("after the restart: %+v", now)
	}
}

// Counters are what was counted since, and times that are older do not count.
func TestTrafficSince(t *testing.T) {
	s := udpmux.TrafficStats{Sent: 3, SentBytes: 300, Received: 1, RequestsSent: 2}
	if got := s.Since(s); got != (udpmux.TrafficStats{}) {
		t.Errorf("%+v", got)
	}
	if got := s.Since(udpmux.TrafficStats{Sent: 1, SentBytes: 100}); got.Sent != 2 || got.SentBytes != 200 || got.Received != 1 || got.RequestsSent != 2 {
		t.Errorf("%+v", got)
	}
}
