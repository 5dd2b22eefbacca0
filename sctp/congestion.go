package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// congestionController says how much may be outstanding on a path. It is told
// what was sent, acknowledged and lost there, and nothing else. All amounts
// are bytes of chunks, headers and padding included.
type congestionController interface {
	// init starts anew: a new path, another route, a restarted association.
	// window is the initial window; pmdcs the largest DATA chunk that fits a packet.
	init(window, pmdcs int)

	// resize takes another pmdcs, after the MTU of the path changed.
	resize(pmdcs int)

	// sending is called before a packet with data goes out, new or again; flight is what
	// is outstanding without it. There is at most pmdcs in it.
	sending(now instant, flight int, rto time.Duration)

	// acked takes what a SACK newly acknowledged, before losses that it shows
	// are taken care of (RFC 9260, section 7.2.4).
	acked(now instant, ack ackEvent)

	// lost is called for each chunk found lost, if the controller measures rates.
	lost(now instant, loss rateLoss)

	// congested is called once for each recovery, at its start: chunks were found
	// lost by what the peer reports, or it reports a congestion mark.
	congested(now instant, loss lossEvent)

	// timedOut is called when T3-rtx expired, before all that is outstanding is
	// taken as lost.
	timedOut(now instant, loss lossEvent)

	// undo takes back the last congested or timedOut, and what came between them if
	// one followed the other: nothing was lost.
	undo(now instant)

	// drained says that nothing is outstanding any more.
	drained()

	// window returns how much may be outstanding.
	window() int

	// pacing returns the rate to send at in bytes per second; 0 for as fast as window
	// and Max.Burst allow; tooShortToPace.
	pacing() int64

	// ssthresh returns the window above which it grows slowly. It is also what a
	// recovery shall come down to.
	ssthresh() int

	// proportional reports whether within a recovery proportional rate reduction
	// (RFC 9937) decides how much goes out; else the window does there, too.
	proportional() bool

	// measures reports whether the controller needs samples of the delivery rate.
	measures() bool
}

// ackEvent is what a SACK told about a path.
type ackEvent struct {
	bytes      int           // newly acknowledged
	before     int           // outstanding before the SACK
	flight     int           // outstanding now
	rtt        time.Duration // of the chunk sent last that was acknowledged and sent once; 0 if there is none
	srtt       time.Duration // smoothed, this one included; 0 before the first
	cum        wire.TSN      // Cumulative TSN Ack Point, as moved by the SACK
	next       wire.TSN      // the next TSN to be assigned
	recovering bool          // a recovery was going on when the SACK came
	rate       *rateSample   // if the controller measures rates, else nil; until the next event
}

// lossEvent is the state at the start of a recovery.
type lossEvent struct {
	flight     int      // outstanding before anything was marked lost
	next       wire.TSN // the next TSN to be assigned
	recovering bool     // a recovery was going on already
}

// CongestionControl is a way to find out how much a path can take.
type CongestionControl uint8

// The ways. CUBIC and Reno send less after each loss, CUBIC returning faster to what
// the path could take. BBR sends at the rate at which the path delivers: it fills
// a path that loses some per cent for reasons of its own, and keeps queues short. It
// takes 48 bytes more for each chunk in flight.
const (
	CUBIC CongestionControl = iota // RFC 9438, with the slow start of RFC 9406, paced
	Reno                           // RFC 9260, section 7.2
	BBR                            // version 3, draft-ietf-ccwg-bbr, paced
)

// newController returns the controller of that kind, c if it is CUBIC.
func (k CongestionControl) newController(c *cubic, seed uint64) congestionController {
	switch k {
	case Reno:
		return new(reno)
	case BBR:
		return &bbr{rng: splitmix(seed)}
	}
	return c
}

// initialWindow returns the initial congestion window of RFC 9260, section 7.2.1.
func initialWindow(pmdcs int) int { return min(4*pmdcs, max(2*pmdcs, 4404)) } // 9260-7.2.1-a

// maxWindow bounds congestion windows, in bytes, and maxRate rates, in bytes per
// second, so that products do not overflow.
const (
	maxWindow = 1 << 30
	maxRate   = 1 << 36
)

// idleDecay lets a window decay after its path was idle (RFC 9260, section 7.2.1,
// rule on idle destinations).
type idleDecay struct{ lastSend instant }

// decay is called before data goes out, and returns the window and ssthresh that
// hold for it.
func (d *idleDecay) decay(now instant, flight int, rto time.Duration, cwnd, ssthresh, pmdcs int) (int, int) { // 9260-7.2.1-c
	if flight == 0 && !d.lastSend.IsZero() {
		for idle := now.Sub(d.lastSend); idle >= rto && cwnd > 4*pmdcs; idle -= rto {
			if idle == now.Sub(d.lastSend) {
				ssthresh = cwnd
			}
			cwnd = max(cwnd/2, 4*pmdcs)
		}
	}
	d.lastSend = now
	return cwnd, ssthresh
}
