package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// rateTest drives a sampler with chunks of 1000 bytes in a ring of 64.
type rateTest struct {
	rateSampler
	now    time.Duration
	next   wire.TSN
	flight int
	chunks [64]sentChunk
}

func newRateTest() *rateTest {
	r := &rateTest{next: 1}
	r.resize(64, 0, 0)
	return r
}

const rateChunk = 1000

func (r *rateTest) send(n int) {
	for range n {
		c := &r.chunks[r.next&63]
		*c = sentChunk{header: wire.DataHeaderLen, size: rateChunk - wire.DataHeaderLen, sentAt: instant(r.now)}
		r.flight += rateChunk
		r.sent(r.next, c, r.flight)
		r.next++
	}
}

func (r *rateTest) ack(from, to wire.TSN) rateSample {
	for t := from; t != to+1; t++ {
		r.flight -= rateChunk
		r.acked(instant(r.now), t, &r.chunks[t&63])
	}
	return *r.sample()
}

// TestRateSample: what was delivered since a chunk was sent, over the longer of the
// times in which it was sent and acknowledged. // bbr-b
func TestRateSample(t *testing.T) {
	const ms = time.Millisecond
	r := newRateTest()
	check := func(why string, s rateSample, delivered int64, interval time.Duration, limited bool) {
		t.Helper()
		if !s.valid || s.delivered != delivered || s.interval != interval || s.limited != limited {
			t.Errorf("%s: %+v, want %d in %v", why, s, delivered, interval)
		}
	}
	r.send(10)
	r.now = 100 * ms
	check("two of ten sent at once", r.ack(1, 2), 2000, 100*ms, false)
	r.now = 110 * ms
	check("four, since the first was sent", r.ack(3, 4), 4000, 110*ms, false)
	r.send(10) // 11 to 20, with 4000 delivered at 110 ms
	r.now = 150 * ms
	check("the rest of the first ten", r.ack(5, 10), 10_000, 150*ms, false)
	r.now = 200 * ms
	check("since the ack before they were sent", r.ack(11, 20), 16_000, 110*ms, false)

	// Acknowledgements that come at once show how fast it was sent, not more.
	r = newRateTest()
	for range 10 {
		r.send(1)
		r.now += 10 * ms
	}
	r.ack(1, 1) // at 100 ms
	for range 9 {
		r.send(1)
		r.now += 10 * ms
	}
	r.ack(2, 10)
	// All at 190 ms, 90 ms after the last acknowledgement before the last was sent; but to
	// send what was acknowledged since then took from 0 to 180 ms.
	check("compressed", r.ack(11, 19), 18_000, 180*ms, false)

	// A pause is not measured.
	r = newRateTest()
	r.send(1)
	r.now = 50 * ms
	r.ack(1, 1)
	r.now = 10 * time.Second
	r.send(1)
	r.now += 50 * ms
	check("after a pause", r.ack(2, 2), 1000, 50*ms, false)
}

// TestRateLimited marks samples of what was sent when there was no more, until all
// that is acknowledged.
func TestRateLimited(t *testing.T) {
	r := newRateTest()
	r.send(2)
	r.exhausted(r.flight)
	r.send(1)
	r.now = time.Second
	if s := r.ack(1, 2); s.limited {
		t.Error("sent before there was no more")
	}
	r.send(5)
	if s := r.ack(3, 3); !s.limited {
		t.Error("sent after there was no more")
	}
	r.send(1)
	if s := r.ack(4, 4); !s.limited {
		t.Error("sent while that was in flight")
	}
	r.ack(5, 8)
	if s := r.ack(9, 9); s.limited {
		t.Error("sent when that was acknowledged")
	}
}

// TestRateLosses counts what was lost since a chunk was sent.
func TestRateLosses(t *testing.T) {
	r := newRateTest()
	r.send(10)
	r.lose(1, rateChunk)
	r.lose(2, rateChunk)
	r.send(1)
	if n := len(r.losses); n != 2 || r.losses[1].lost != 2000 || r.losses[1].inFlight != 2000 {
		t.Fatalf("%+v", r.losses)
	}
	if s := r.ack(3, 3); s.lost != 2000 || s.inFlight != 3000 {
		t.Errorf("%+v", s)
	}
	if s := r.ack(11, 11); s.lost != 0 {
		t.Errorf("%+v", s)
	}
	if r.forgive(); r.lost != 0 || len(r.losses) != 0 {
		t.Error("not forgiven")
	}
	if s := r.ack(3, 3); s.valid || s.total != 2000 {
		t.Error("acknowledged twice")
	}
}
