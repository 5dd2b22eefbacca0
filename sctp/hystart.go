package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// hystart is HyStart++ (RFC 9406): it ends the first slow start when round trips
// become longer, before the queue of the path overflows.
type hystart struct {
	baseline time.Duration // least RTT when conservative slow start began
	begun    bool
	careful  bool          // conservative slow start is on
	rounds   uint8         // of it
	end      wire.TSN      // the round trip ends when it is acknowledged
	last     time.Duration // least RTT of the last round trip; 0: none
	current  time.Duration // of this one; 0: none
	samples  int32         // of this one
}

// The constants of RFC 9406, section 4.3.
const (
	hystartMinThresh  = 4 * time.Millisecond
	hystartMaxThresh  = 16 * time.Millisecond
	hystartDivisor    = 8 // of the RTT
	hystartSamples    = 8
	hystartCSSDivisor = 4 // of the growth
	hystartCSSRounds  = 5
)

// acked takes a SACK and reports whether slow start is over.
func (h *hystart) acked(ack *ackEvent) (over bool) { // 9406-4.2-a 9406-4.2-b
	if ack.rtt > 0 {
		if h.current == 0 || ack.rtt < h.current {
			h.current = ack.rtt
		}
		h.samples++
	}
	if h.samples >= hystartSamples {
		switch {
		case h.careful && h.current < h.baseline: // it was jitter
			h.careful = false
		case !h.careful && h.last > 0 && h.current >= h.last+min(max(h.last/hystartDivisor, hystartMinThresh), hystartMaxThresh):
			h.careful, h.baseline, h.rounds = true, h.current, 0
		}
	}
	if !h.begun || h.end.AtOrBefore(ack.cum) || ack.next.AtOrBefore(h.end) { // TSNs may begin anew
		if h.careful {
			if h.rounds++; h.rounds >= hystartCSSRounds {
				return true
			}
		}
		h.begun, h.end = true, ack.next.Add(-1)
		h.last, h.current, h.samples = h.current, 0, 0
	}
	return false
}

// growth returns by how much the window grows in slow start.
func (h *hystart) growth(bytes int) int {
	if h != nil && h.careful {
		return bytes / hystartCSSDivisor
	}
	return bytes
}
