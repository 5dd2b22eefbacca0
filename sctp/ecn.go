package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// ECN is the codepoint of Explicit Congestion Notification in the header of an IP
// packet (RFC 3168, section 5).
type ECN uint8

// The codepoints.
const (
	NotECT ECN = iota // the sender does not take part
	ECT1
	ECT0 // it does
	CE   // congestion experienced
)

// ecn is Explicit Congestion Notification on a path (RFC 4960, appendix A, with the
// counting ECNE of draft-stewart-tsvwg-sctpecn): the receiver tells of packets with a
// mark by ECNE, with each SACK until a CWR says that it was heard; the sender
// reduces its window as for a loss, once per window.
type ecn struct {
	on bool // both sides take part

	echoing    bool // as receiver: marks were not confirmed by CWR yet
	confirming bool // as sender: a CWR is to be sent
	reduced    bool // and the window was reduced once at least

	// Receiver.
	marked wire.TSN // lowest TSN of the last packet with a mark
	marks  uint32   // packets with a mark since the last CWR

	// Sender.
	confirmed wire.TSN // what the CWR says
	exit      wire.TSN // last TSN of the window that was reduced last
}

// experienced takes note of a packet with a mark; lowest is the lowest TSN in it.
func (e *ecn) experienced(lowest wire.TSN) {
	if !e.echoing || e.marked.Before(lowest) {
		e.marked = lowest
	}
	e.echoing = true
	e.marks++
}

// append appends the ECNE that goes with every SACK.
func (e *ecn) append(p *builder) {
	const size = 12
	if e.echoing && p.room() >= size {
		p.b = wire.AppendECNE(p.b, wire.ECNE{TSN: e.marked, Count: e.marks})
	}
}

// heard takes a CWR of the peer. One for an earlier mark leaves the later one.
func (e *ecn) heard(t wire.TSN) {
	if e.echoing && e.marked.AtOrBefore(t) {
		e.echoing, e.marks = false, 0
	}
}

// reacts takes an ECNE for TSN t, and reports whether the window is to be reduced for
// it: if the packet was sent after the last reduction.
func (e *ecn) reacts(t, highest wire.TSN) bool {
	if e.covers(t) && highest.Since(e.exit) < 1<<30 { // else it is ages ago
		return false
	}
	e.reduced, e.exit = true, highest
	return true
}

// covers reports whether the window was reduced for marks in a window that t is
// part of.
func (e *ecn) covers(t wire.TSN) bool { return e.reduced && t.AtOrBefore(e.exit) }

// appendCWR appends the CWR that is due.
func (e *ecn) appendCWR(p *builder) bool {
	const size = 8
	if !e.confirming {
		return true
	}
	if p.room() < size {
		return false
	}
	p.b = wire.AppendCWR(p.b, e.confirmed)
	e.confirming = false
	return true
}

// handleECNE takes the peer's word that packets of ours met congestion.
func (a *Association) handleECNE(now instant, path *path, c wire.Chunk) {
	e, err := c.ECNE()
	if err != nil || !a.sendsData() || a.sent.highest().Before(e.TSN) || e.TSN.Since(a.sent.cum) < -1<<20 {
		return
	}
	a.counters.seldom().ecneReceived++
	path.ecn.confirming, path.ecn.confirmed = true, e.TSN
	switch recovering := a.recovery.active(); { // once in a window, for whatever reason
	case recovering && e.TSN.AtOrBefore(a.recovery.exit):
		a.recovery.warranted()
	case path.ecn.reacts(e.TSN, a.sent.highest()):
		a.reduce(now, path, a.sent.flight, recovering)
		a.recovery.reacted(a.sent.order.packet)
	}
}
