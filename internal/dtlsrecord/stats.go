package dtlsrecord

import "sync/atomic"

// Stats count records.
type Stats struct {
	Sent, Received uint64 // of application data
	Held           uint64 // that came before the handshake was over or Receive was called
	FinishedResent uint64 // flights sent again because the peer had lost them
	Dropped        Dropped
}

// Dropped counts records that were received and came to nothing, by the reason. None
// of them closes a connection, but for Forged after 2^36.
type Dropped struct {
	Malformed uint64 // truncated, oversized, of no known type or version; also what follows in the datagram
	Plaintext uint64 // not encrypted, after the handshake; application data that is not, at any time
	Epoch     uint64 // of an epoch that there is not
	Replayed  uint64 // seen before, or too old to tell
	Forged    uint64 // failing authentication
	NoRoom    uint64 // early data and handshake messages beyond what is kept of them
	Ignored   uint64 // authentic and meaningless here: renegotiation, warnings
	Late      uint64 // datagrams after the end
	Foreign   uint64 // flights and messages of another handshake between the same addresses
}

// Total returns the sum.
func (d *Dropped) Total() uint64 {
	return d.Malformed + d.Plaintext + d.Epoch + d.Replayed + d.Forged + d.NoRoom + d.Ignored + d.Late + d.Foreign
}

// dropReason is an index of counters.dropped.
type dropReason int

const (
	dropNothing dropReason = iota
	dropMalformed
	dropPlaintext
	dropEpoch
	dropReplayed
	dropForged
	dropNoRoom
	dropIgnored
	dropLate
	dropForeign
	dropReasons
)

// counters are what Stats reads, at any time.
type counters struct {
	sent, received, held, finishedResent atomic.Uint64
	dropped                              [dropReasons]atomic.Uint64
}

func (c *counters) drop(reason dropReason) { c.dropped[reason].Add(1) }

// dropReasonOf returns why Open refused a record.
func dropReasonOf(err error) dropReason {
	switch err {
	case ErrMalformed:
		return dropMalformed
	case ErrReplayed:
		return dropReplayed
	}
	return dropForged
}

// Stats may be called at any time, by anybody.
func (s *Session) Stats() Stats {
	c := &s.counters
	n := func(reason dropReason) uint64 { return c.dropped[reason].Load() }
	return Stats{
		Sent: c.sent.Load(), Received: c.received.Load(), Held: c.held.Load(), FinishedResent: c.finishedResent.Load(),
		Dropped: Dropped{
			Malformed: n(dropMalformed), Plaintext: n(dropPlaintext), Epoch: n(dropEpoch), Replayed: n(dropReplayed),
			Forged: n(dropForged), NoRoom: n(dropNoRoom), Ignored: n(dropIgnored), Late: n(dropLate), Foreign: n(dropForeign),
		},
	}
}
