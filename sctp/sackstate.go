package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// ackState decides when a SACK is due (RFC 9260, section 6.2) and assembles it.
type ackState struct {
	due ackDue
	// final: everything that came in is reported as never to be dropped, in NR-SACK
	// (draft-natarajan-tsvwg-sctp-nrsack).
	final bool

	// What the packet being received holds.
	packetData, packetNew, packetNow bool
	first                            bool // no DATA has come in yet

	delay   timer // bounds the time that a delayed SACK waits
	packets int   // with DATA since the last SACK
	// advertised is the window in the last SACK, bytes.
	advertised int
	dups       []wire.TSN
	gaps       []wire.GapBlock // scratch
}

// ackDue says how urgent a SACK is.
type ackDue uint8

const (
	ackNone ackDue = iota
	ackDelayed
	ackNow
)

// maxDupReports bounds the duplicates kept for one SACK.
const maxDupReports = 32

func (k *ackState) init(window int, final bool) {
	*k = ackState{first: true, advertised: window, final: final, dups: k.dups[:0], gaps: k.gaps[:0]}
}

// duplicate records that t came in again.
func (k *ackState) duplicate(t wire.TSN) {
	k.packetData = true
	if len(k.dups) < maxDupReports {
		k.dups = append(k.dups, t)
	}
}

// accepted records that new DATA came in, or a FORWARD-TSN, which counts like it.
func (k *ackState) accepted(immediate bool) {
	k.packetData, k.packetNew = true, true
	k.packetNow = k.packetNow || immediate || k.first
	k.first = false
}

// dropped records that DATA could not be taken.
func (k *ackState) dropped() { k.packetData, k.packetNow = true, true }

// endPacket settles, after a packet was processed, when its SACK goes out. hadGap
// and gap say whether TSNs were missing before and after it.
func (k *ackState) endPacket(now instant, hadGap, gap bool, delay time.Duration) {
	k.packets++
	switch {
	case k.packetNow, !k.packetNew, hadGap, gap, k.packets >= 2: // 9260-6.2-a, 9260-6.2-b
		k.now()
	case k.due == ackNone:
		k.due = ackDelayed
		k.delay.start(now, delay)
	}
	k.packetData, k.packetNew, k.packetNow = false, false, false
}

// now asks for a SACK at once.
func (k *ackState) now() {
	k.due = ackNow
	k.delay.stop()
}

// appendSack appends a SACK, which counts as sent when sent is called.
func (k *ackState) appendSack(p *builder, m *tsnMap, window int) bool {
	room := (p.room() - wire.SackLen(0, 0)) / 4
	if k.final {
		room-- // for what NR-SACK has more
	}
	if room < 0 {
		return false
	}
	k.gaps = k.gaps[:0]
	for _, r := range m.above.runs {
		if len(k.gaps) == room {
			break
		}
		k.gaps = append(k.gaps, wire.GapBlock{Start: uint16(r.first.Since(m.cum)), End: uint16(r.last.Since(m.cum))})
	}
	dups := k.dups[:min(len(k.dups), room-len(k.gaps))]
	if k.final {
		p.b = wire.AppendNRSack(p.b, m.cum, uint32(window), nil, k.gaps, dups)
		return true
	}
	p.b = wire.AppendSack(p.b, m.cum, uint32(window), k.gaps, dups)
	return true
}

// sent takes note that a SACK with this window goes out.
func (k *ackState) sent(window int) {
	k.advertised = window
	k.due, k.packets, k.dups = ackNone, 0, k.dups[:0]
	k.delay.stop()
}
