package udpmux

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Traffic counts what goes between a port and an address of the peer, or by another way. A nil
// one counts nothing.
type Traffic struct {
	received, receivedBytes, sent, sentBytes, lost, lostBytes        atomic.Uint64
	requestsSent, requestsReceived, responsesSent, responsesReceived atomic.Uint64
	lastSent, lastReceived                                           atomic.Int64 // Unix nanoseconds, 0 for never
}

// TrafficStats are the counters of a Traffic: datagrams of DTLS and their bytes, and checks of ICE with
// their answers.
type TrafficStats struct {
	Received, ReceivedBytes          uint64
	Sent, SentBytes                  uint64
	Lost, LostBytes                  uint64 // refused by the system
	RequestsSent, RequestsReceived   uint64
	ResponsesSent, ResponsesReceived uint64
	LastSent, LastReceived           time.Time // of DTLS; zero for never
}

// PairTraffic is the traffic between two addresses.
type PairTraffic struct {
	Local, Remote netip.AddrPort
	TrafficStats
}

// Stats returns the counters.
func (t *Traffic) Stats() TrafficStats {
	if t == nil {
		return TrafficStats{}
	}
	at := func(nanos int64) time.Time {
		if nanos == 0 {
			return time.Time{}
		}
		return time.Unix(0, nanos)
	}
	return TrafficStats{
		Received: t.received.Load(), ReceivedBytes: t.receivedBytes.Load(), Sent: t.sent.Load(), SentBytes: t.sentBytes.Load(),
		Lost: t.lost.Load(), LostBytes: t.lostBytes.Load(),
		RequestsSent: t.requestsSent.Load(), RequestsReceived: t.requestsReceived.Load(),
		ResponsesSent: t.responsesSent.Load(), ResponsesReceived: t.responsesReceived.Load(),
		LastSent: at(t.lastSent.Load()), LastReceived: at(t.lastReceived.Load()),
	}
}

// Since returns what s has counted that was not in before. Counters that are less than they were
// have begun anew: an address was forgotten for others, and came back.
func (s TrafficStats) Since(before TrafficStats) TrafficStats {
	for _, c := range []struct {
		now *uint64
		was uint64
	}{
		{&s.Received, before.Received}, {&s.ReceivedBytes, before.ReceivedBytes},
		{&s.Sent, before.Sent}, {&s.SentBytes, before.SentBytes}, {&s.Lost, before.Lost}, {&s.LostBytes, before.LostBytes},
		{&s.RequestsSent, before.RequestsSent}, {&s.RequestsReceived, before.RequestsReceived},
		{&s.ResponsesSent, before.ResponsesSent}, {&s.ResponsesReceived, before.ResponsesReceived},
	} {
		if *c.now >= c.was {
			*c.now -= c.was
		}
	}
	if s.Sent == 0 {
		s.LastSent = time.Time{}
	}
	if s.Received == 0 {
		s.LastReceived = time.Time{}
	}
	return s
}

// came counts datagrams that came in.
func (t *Traffic) came(count, bytes int) {
	if t != nil {
		t.received.Add(uint64(count))
		t.receivedBytes.Add(uint64(bytes))
		t.lastReceived.Store(time.Now().UnixNano())
	}
}

// went counts datagrams of which some were sent, with about so many bytes.
func (t *Traffic) went(sent, sentBytes, lost, lostBytes int) {
	if t == nil {
		return
	}
	if sent > 0 {
		t.sent.Add(uint64(sent))
		t.sentBytes.Add(uint64(sentBytes))
		t.lastSent.Store(time.Now().UnixNano())
	}
	if lost > 0 {
		t.lost.Add(uint64(lost))
		t.lostBytes.Add(uint64(lostBytes))
	}
}

// Traffic returns what goes, and went, between the ports and the addresses on which the session
// has a claim.
func (s *Session) Traffic() []PairTraffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	pairs := make([]PairTraffic, 0, len(s.addresses))
	for _, a := range s.addresses {
		pairs = append(pairs, PairTraffic{a.p.sock.local, a.addr, a.t.Stats()})
	}
	return pairs
}

// trafficOf returns the counters of an address, nil if there is no claim on it.
func (s *Session) trafficOf(a address) *Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(a); i >= 0 {
		return s.addresses[i].t
	}
	return nil
}
