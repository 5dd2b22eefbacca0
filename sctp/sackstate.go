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
	first                            bool  // no DATA has come in yet
	packets                          uint8 // with DATA since the last SACK; 2: or more

	delay timer // bounds the time that a delayed SACK waits
	// advertised is the window in the last SACK, bytes.
	advertised int
	lists      *ackLists // nil: nothing came twice or out of order since the association rested last
}

// ackLists is what a SACK may have to list.
type ackLists struct {
	dups []wire.TSN
	gaps []wire.GapBlock // scratch
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
	k.forget()
	*k = ackState{first: true, advertised: window, final: final, lists: k.lists}
}

// duplicate records that t came in again.
func (k *ackState) duplicate(t wire.TSN) {
	k.packetData = true
	if l := k.reports(); len(l.dups) < maxDupReports {
		l.dups = append(l.dups, t)
	}
}

// reports returns the lists, to add to them.
func (k *ackState) reports() *ackLists {
	if k.lists == nil {
		k.lists = new(ackLists)
	}
	return k.lists
}

// forget drops the duplicates that were to be reported.
func (k *ackState) forget() {
	if k.lists != nil {
		k.lists.dups = k.lists.dups[:0]
	}
}

// rest gives up the lists if nothing is to be reported.
func (k *ackState) rest() {
	if k.lists != nil && len(k.lists.dups) == 0 {
		k.lists = nil
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
	k.packets = min(k.packets+1, 2)
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
	var gaps []wire.GapBlock
	var dups []wire.TSN
	if k.lists != nil || m.gap() {
		gaps, dups = k.list(m, room)
	}
	if k.final {
		p.b = wire.AppendNRSack(p.b, m.cum, uint32(window), nil, gaps, dups)
		return true
	}
	p.b = wire.AppendSack(p.b, m.cum, uint32(window), gaps, dups)
	return true
}

// list returns what is to be reported, as far as there is room.
func (k *ackState) list(m *tsnMap, room int) ([]wire.GapBlock, []wire.TSN) {
	l := k.reports()
	l.gaps = l.gaps[:0]
	for _, r := range m.above.runs {
		if len(l.gaps) == room {
			break
		}
		l.gaps = append(l.gaps, wire.GapBlock{Start: uint16(r.first.Since(m.cum)), End: uint16(r.last.Since(m.cum))})
	}
	return l.gaps, l.dups[:min(len(l.dups), room-len(l.gaps))]
}

// sent takes note that a SACK with this window goes out.
func (k *ackState) sent(window int) {
	k.advertised = window
	k.due, k.packets = ackNone, 0
	k.forget()
	k.delay.stop()
}
