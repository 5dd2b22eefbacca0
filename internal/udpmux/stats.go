package udpmux

import "sync/atomic"

// drops count datagrams that no session got.
type drops struct {
	strangers, malformed, unknown, queueFull, readErrors atomic.Uint64
}

// Stats count datagrams that reached no session.
type Stats struct {
	Sessions   int    // user fragments in use
	Strangers  uint64 // from addresses that belong to no session, or STUN for nobody
	Malformed  uint64 // STUN that is broken
	Unknown    uint64 // neither DTLS nor STUN of a kind that is used
	QueueFull  uint64 // STUN that an agent did not read in time
	ReadErrors uint64 // failed reads
}

// Stats returns the counters.
func (m *Mux) Stats() Stats {
	m.mu.Lock()
	n := len(m.agents)
	m.mu.Unlock()
	d := &m.drops
	return Stats{Sessions: n, Strangers: d.strangers.Load(), Malformed: d.malformed.Load(), Unknown: d.unknown.Load(),
		QueueFull: d.queueFull.Load(), ReadErrors: d.readErrors.Load()}
}
