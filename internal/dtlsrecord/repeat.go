package dtlsrecord

import (
	"encoding/binary"
	"time"
)

const (
	// quickRepeats is how often a flight is repeated at the library's interval.
	quickRepeats = 4

	// maxRepeatGap bounds the time between repetitions, unless the interval is longer.
	maxRepeatGap = time.Second
)

// repeats thins out the repetitions of flights. The library repeats one at a fixed
// interval for as long as the handshake may take; that is short here, a few round trips, so
// that a loss costs little. After some repetitions at that interval the peer is gone, or the path is
// full: from then on each waits twice as long (RFC 6347, section 4.2.4.1).
type repeats struct {
	newest int       // number of the first handshake message that was not sent yet
	count  int       // repetitions of this flight that were sent
	sent   time.Time // the flight, or the last of these
	begun  time.Time // the flight or repetition that the library sends now
	pass   bool      // what became of it
}

// allow takes a datagram of the library, which repeats flights at that interval, and tells whether it shall be sent.
func (r *repeats) allow(interval time.Duration, now time.Time, datagram []byte) bool {
	if number := lastMessage(datagram); number < 0 {
		return true // no handshake, or the end of one
	} else if number >= r.newest {
		r.newest = number + 1
		r.count, r.sent, r.begun, r.pass = 0, now, now, true
	} else if now.Sub(r.begun) >= interval/2 { // not just behind the last one
		r.begun = now
		if r.pass = now.Sub(r.sent) >= r.gap(interval); r.pass {
			r.count++
			r.sent = now
		}
	}
	return r.pass
}

// gap returns the least time to the next repetition. Timers may be late, and half of
// the interval early by comparison.
func (r *repeats) gap(interval time.Duration) time.Duration {
	if r.count < quickRepeats {
		return interval / 2
	}
	gap := interval << min(r.count-quickRepeats+1, 16)
	return max(min(gap, maxRepeatGap), interval) - interval/2
}

// lastMessage returns the greatest number of the handshake messages that a datagram
// begins with, -1 if it begins with something else.
func lastMessage(datagram []byte) int {
	last := -1
	for {
		record, rest := nextRecord(datagram)
		if record == nil || record[0] != typeHandshake || epochOf(record) != 0 || len(record) < headerSize+messageHeader {
			return last
		}
		last = max(last, int(binary.BigEndian.Uint16(record[headerSize+4:])))
		datagram = rest
	}
}
