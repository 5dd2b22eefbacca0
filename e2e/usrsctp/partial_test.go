package usrsctp

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// veryLossy makes many messages with limited reliability fail.
var veryLossy = &netsim.Conditions{
	Latency: 5 * time.Millisecond, Loss: 0.1, Reorder: 0.1, ReorderDelay: 2 * time.Millisecond,
}

// Partial reliability under loss, both ways at once: what arrives is intact, once and
// in order, something is abandoned, and the streams go on behind it (RFC 3758, RFC 7496).
func TestPartialReliability(t *testing.T) {
	need(t)
	t.Parallel()
	for _, c := range []struct {
		desc    string
		batch   batch
		options []string
		single  bool // usrsctp sends on one stream, so that it interleaves nothing
	}{
		// To give up a fragmented message, usrsctp's sctp_release_pr_sctp_chunk drops what lies behind the lost fragment in the queue, up to the
		// next E bit, of whatever stream it is. A reliable message among that is neither sent again nor passed over by an I-FORWARD-TSN.
		{desc: "interleaved, no retransmission, fragmented", single: true, options: []string{"interleave=1"},
			batch: batch{policy: policyRetransmits, value: 0, size: 5000}},
		{desc: "interleaved, lifetime, unordered, fragmented", single: true, options: []string{"interleave=1"},
			batch: batch{policy: policyLifetime, value: 60, size: 5000, unordered: true}},
		{desc: "interleaved, no retransmission", batch: batch{policy: policyRetransmits, value: 0, size: 500}, options: []string{"interleave=1"}},
		{desc: "no retransmission, ordered", batch: batch{policy: policyRetransmits, value: 0, size: 500}},
		{desc: "no retransmission, unordered", batch: batch{policy: policyRetransmits, value: 0, size: 500, unordered: true}},
		{desc: "no retransmission, fragmented", batch: batch{policy: policyRetransmits, value: 0, size: 5000}},
		{desc: "one retransmission, fragmented", batch: batch{policy: policyRetransmits, value: 1, size: 5000}},
		{desc: "lifetime, ordered", batch: batch{policy: policyLifetime, value: 60, size: 500}},
		{desc: "lifetime, unordered, fragmented", batch: batch{policy: policyLifetime, value: 60, size: 5000, unordered: true}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), setup{conditions: veryLossy, options: c.options})
			ours := c.batch
			ours.first, ours.streams, ours.count = 1, 3, 150
			theirs := ours
			if c.single {
				theirs.streams = 1
			}
			received := make(chan []arrival, 1)
			go func() { received <- a.receiveAll(t, theirs) }()
			p.send(theirs)
			p.send(theirs.tail())
			if err := errors.Join(a.send(ours), a.send(ours.tail())); err != nil {
				t.Fatal(err)
			}
			// The graceful end settles what becomes of each message.
			p.do("shutdown")
			wantGraceful(t, a, p)
			p.next("end")

			check := func(from string, b batch, arrivals []arrival, abandoned int) {
				t.Helper()
				partial, whole := split(arrivals, b.tail().seq)
				b.check(t, partial)
				b.tail().check(t, whole)
				// A message may arrive and count as abandoned, if its SACK is lost.
				if abandoned == 0 || len(partial)+abandoned < b.count {
					t.Errorf("from %s: %d of %d messages arrived, %d were abandoned", from, len(partial), b.count, abandoned)
				}
			}
			var arrivals []arrival
			for len(p.reports.all("msg")) > 0 {
				arrivals = append(arrivals, p.nextMessage())
			}
			check("us", ours, arrivals, int(a.Stats().MessagesAbandoned))
			check("usrsctp", theirs, <-received, len(p.reports.all("sendfailed")))
		})
	}
}

// tail is what is sent behind the batch: on each stream a message that must arrive.
func (b batch) tail() batch {
	return batch{first: b.first, streams: b.streams, count: int(b.streams), size: 10, seq: 1000, unordered: b.unordered}
}

// receiveAll reads the streams of the batch until the association has ended.
func (a *assoc) receiveAll(t *testing.T, b batch) (arrivals []arrival) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range b.streams {
		group.Go(func() {
			for {
				m, err := a.next(b.first + i)
				if errors.Is(err, net.ErrClosed) && a.Err() == nil {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				arrivals = append(arrivals, m)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return arrivals
}

// split returns the arrivals with numbers below seq, and the others.
func split(arrivals []arrival, seq int) (below, others []arrival) {
	for _, m := range arrivals {
		if m.seq < seq {
			below = append(below, m)
		} else {
			others = append(others, m)
		}
	}
	return below, others
}
