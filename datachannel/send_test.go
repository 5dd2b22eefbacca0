package datachannel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// slow limits what a sends to 100 kB/s, so that there is something to buffer.
func slow(c *netsim.PipeConfig) { c.AtoB.Rate = 100e3 }

// dead carries nothing from a to b from the second second on.
func dead(c *netsim.PipeConfig) {
	c.AtoB.Down = []netsim.Window{{From: 2 * time.Second, To: 1000 * time.Hour}}
}

// Text, binary and empty messages keep kind, content, order and boundaries, up
// to the largest allowed (8831-6.6-a, w3c-send-b).
func TestMessages(t *testing.T) {
	for _, init := range []*Init{nil, {Unordered: true}, {MaxRetransmits: ptr[uint16](20)}, {MaxPacketLifeTime: ptr[uint16](60000), Unordered: true}} {
		bubble(t, setup{paramsA: Params{RemoteMaxMessageSize: 262144}}, func(t *testing.T, p *pair) {
			a, b := p.open("", init)
			for i, n := range []int{0, 1, 2, 0, 1173, 16384, 65535, 65536, 262144} {
				data := pattern(n, byte(i))
				check(t, a.Send(data))
				wantMessage(t, b, string(data), false)
				check(t, a.SendText(string(data)))
				wantMessage(t, b, string(data), true)
			}
			st, got := a.Stats(), b.Stats()
			want := uint64(2 * (1 + 2 + 1173 + 16384 + 65535 + 65536 + 262144))
			if st.MessagesSent != 18 || st.BytesSent != want || got.MessagesReceived != 18 || got.BytesReceived != want { // stats-dc
				t.Errorf("sent %+v, received %+v", st, got)
			}
		})
	}
}

// The identifiers and the one byte of empty messages on the wire (8831-6.6-a, 0-ppid).
func TestPPIDs(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](9)}))(t)
		check(t, ch.Send([]byte("b")))
		check(t, ch.Send(nil))
		check(t, ch.SendText("s"))
		check(t, ch.SendText(""))
		for _, want := range []struct {
			ppid uint32
			data string
		}{{53, "b"}, {57, "\x00"}, {51, "s"}, {56, "\x00"}} {
			if info, b := r.next(9); info.PPID != want.ppid || string(b) != want.data {
				t.Errorf("%+v %q, want %+v", info, b, want)
			}
		}
	})
}

// The errors of send, in order, before anything changes (w3c-send-a).
func TestSendErrors(t *testing.T) {
	cfg := setup{
		a:       Config{MaxBufferedAmount: 50000},
		paramsA: Params{RemoteMaxMessageSize: 1000},
		link:    dead,
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		netsim.Elapse(2 * time.Second)
		var typ *TypeError
		var op *OperationError
		var state *InvalidStateError
		for desc, err := range map[string]error{
			"large binary": a.Send(make([]byte, 1001)), "large text": a.SendText(string(pattern(1001, 0))),
			"not UTF-8":        a.SendText("\xff"),
			"large write":      a.WriteMessage(background, make([]byte, 1001), false),
			"not UTF-8, write": a.WriteMessage(background, []byte{0xff}, true),
		} {
			if !errors.As(err, &typ) {
				t.Errorf("%s: %v", desc, err)
			}
		}
		if st := a.Stats(); a.BufferedAmount() != 0 || st.MessagesSent != 0 {
			t.Errorf("%d buffered, %+v", a.BufferedAmount(), st)
		}
		full := 0
		for ; full < 100 && a.Send(make([]byte, 1000)) == nil; full++ {
		}
		if err := a.Send(make([]byte, 1000)); !errors.As(err, &op) || a.BufferedAmount() > 50000 || a.BufferedAmount() < 49001 {
			t.Errorf("full: %v with %d buffered", err, a.BufferedAmount())
		}
		if err := a.Send(make([]byte, 1001)); !errors.As(err, &typ) {
			t.Errorf("large and full: %v", err)
		}
		p.a.SetRemoteMaxMessageSize(0) // any size; what is buffered limits it still
		if err := a.Send(make([]byte, 2000)); !errors.As(err, &op) {
			t.Errorf("any size: %v", err)
		}
		p.a.SetRemoteMaxMessageSize(-1)
		if n := p.a.RemoteMaxMessageSize(); n != 65536 { // 8841-6-a
			t.Errorf("absent size reads as %d", n)
		}
		a.Close()
		if err := a.Send(make([]byte, 1<<20)); !errors.As(err, &state) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing: %v", err)
		}
		if err := a.WriteMessage(background, nil, false); !errors.As(err, &state) {
			t.Errorf("closing: %v", err)
		}
		if st := a.Stats(); st.MessagesSent != uint64(full) {
			t.Errorf("%d messages sent, want %d", st.MessagesSent, full)
		}
	})
}

// bufferedAmount rises with Send by the payload's bytes, DCEP and the byte of an
// empty message apart, falls as the network takes them, and not otherwise
// (w3c-send-b, PIONS-15).
func TestBufferedAmount(t *testing.T) {
	cfg := setup{link: slow, a: Config{SCTP: sctp.Config{SendBuffer: 200000}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		// The OPEN, of 131 kB, is in the association and does not count.
		a := value(p.a.CreateChannel(string(pattern(65535, 0)), &Init{Protocol: string(pattern(65535, 1))}))(t)
		if n := a.BufferedAmount(); n != 0 {
			t.Fatalf("%d after the OPEN", n)
		}
		wrote := make(chan error, 2)
		for range 2 {
			go func() { wrote <- a.WriteMessage(background, make([]byte, 60000), false) }()
			synctest.Wait()
		}
		if n := a.BufferedAmount(); n != 120000 {
			t.Fatalf("%d behind the OPEN", n)
		}
		b := p.accept(p.b)
		for range 2 {
			check(t, <-wrote)
			value(b.ReadMessage(background))(t)
		}
		settle()
		total := 0
		for i := range 40 {
			check(t, a.SendText(""))
			check(t, a.Send(make([]byte, i*1000)))
			total += i * 1000
		}
		// What left at once is what cwnd allowed.
		n := a.BufferedAmount()
		if n > total || n < total-200000 {
			t.Fatalf("%d of %d", n, total)
		}
		if again := a.BufferedAmount(); again != n {
			t.Fatalf("%d, then %d", n, again)
		}
		for i := range 40 {
			wantMessage(t, b, "", true)
			if m := value(b.ReadMessage(background))(t); len(m.Data) != i*1000 {
				t.Fatalf("message of %d bytes, want %d", len(m.Data), i*1000)
			}
			if now := a.BufferedAmount(); now > n || now < 0 {
				t.Fatalf("%d, then %d", n, now)
			} else {
				n = now
			}
		}
		if n != 0 {
			t.Fatalf("%d at the end", n)
		}
	})
}

// The low event comes once for each fall from above the threshold to it or below,
// for any place in which the bytes were (w3c-send-b).
func TestBufferedAmountLow(t *testing.T) {
	for _, sendBuffer := range []int{0, 20000} {
		for _, threshold := range []int{0, 1000, 50000, 100000} {
			t.Run(fmt.Sprint(sendBuffer, threshold), func(t *testing.T) {
				cfg := setup{link: slow, a: Config{SCTP: sctp.Config{SendBuffer: sendBuffer}}}
				bubble(t, cfg, func(t *testing.T, p *pair) {
					a, b := p.open("", nil)
					b.OnMessage(func(Message) {})
					var j journal
					a.SetBufferedAmountLowThreshold(threshold)
					if got := a.BufferedAmountLowThreshold(); got != threshold {
						t.Errorf("threshold %d", got)
					}
					a.OnBufferedAmountLow(func() {
						if n := a.BufferedAmount(); n > threshold {
							t.Errorf("low with %d, threshold %d", n, threshold)
						}
						j.add("low")
					})
					j.want(t)
					for range 2 {
						for range 10 {
							check(t, a.Send(make([]byte, 10000)))
						}
						if threshold == 100000 {
							j.want(t) // it never was above
						} else {
							netsim.Elapse(3 * time.Second)
							j.want(t, "low")
						}
					}
					if n := a.BufferedAmount(); n != 0 {
						t.Errorf("%d bytes remain", n)
					}
				})
			})
		}
	}
}

// The threshold of a channel is not that of the next one with its identifier.
func TestThresholdAndReuse(t *testing.T) {
	bubble(t, setup{link: slow}, func(t *testing.T, p *pair) {
		for _, threshold := range []int{40000, 0} {
			a, b := p.open("", nil)
			wantID(t, a, 0)
			b.OnMessage(func(Message) {})
			var j journal
			a.SetBufferedAmountLowThreshold(threshold)
			a.OnBufferedAmountLow(func() { j.add("low") })
			for range 10 {
				check(t, a.Send(make([]byte, 10000)))
			}
			netsim.Elapse(3 * time.Second)
			j.want(t, "low")
			a.Close()
			settle()
		}
	})
}

// A small message that leaves at once was above the threshold all the same.
func TestBufferedAmountLowAtOnce(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		var j journal
		a.OnBufferedAmountLow(func() { j.add("low") })
		for range 3 {
			check(t, a.Send([]byte("x")))
			j.want(t, "low")
		}
		a.SetBufferedAmountLowThreshold(1)
		check(t, a.Send([]byte("x")))
		j.want(t)
		a.SetBufferedAmountLowThreshold(-5)
		if n := a.BufferedAmountLowThreshold(); n != 0 {
			t.Errorf("threshold %d", n)
		}
	})
}

// What Send accepts beyond the association's buffer arrives, whole and in order,
// and channels take turns: one with a long queue does not delay the others.
func TestQueueAndFairness(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 50000}}, link: func(c *netsim.PipeConfig) { c.AtoB.Rate = 1e6 }}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		bulk, bulkB := p.open("bulk", nil)
		small, smallB := p.open("small", nil)
		for i := range 200 {
			check(t, bulk.Send(pattern(40000, byte(i))))
		}
		for i := range 20 {
			check(t, small.Send(pattern(10, byte(i))))
		}
		var bulkAtSmall atomic.Int64
		bulkDone := make(chan struct{})
		go func() {
			defer close(bulkDone)
			for i := range 200 {
				m := value(bulkB.ReadMessage(background))(t)
				if !bytes.Equal(m.Data, pattern(40000, byte(i))) {
					t.Errorf("bulk message %d differs", i)
				}
				bulkAtSmall.Store(int64(i))
			}
		}()
		for i := range 20 {
			wantMessage(t, smallB, string(pattern(10, byte(i))), false)
		}
		if n := bulkAtSmall.Load(); n > 30 {
			t.Errorf("20 small messages took as long as %d large ones", n)
		}
		<-bulkDone
		if p.a.blocked.len() != 0 || bulk.out.queue.len() != 0 {
			t.Error("the queue is not empty")
		}
	})
}

// A message larger than the association's send buffer goes through beside others
// that would fit, for ever.
func TestLargeMessageIsNotStarved(t *testing.T) {
	cfg := setup{
		a:       Config{SCTP: sctp.Config{SendBuffer: 30000}},
		paramsA: Params{RemoteMaxMessageSize: 262144},
		link:    func(c *netsim.PipeConfig) { c.AtoB.Rate = 1e6 },
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		large, largeB := p.open("large", nil)
		small, smallB := p.open("small", nil)
		smallB.OnMessage(func(Message) {})
		ctx, cancel := context.WithCancel(background)
		stopped := make(chan error)
		go func() {
			for {
				if err := small.WriteMessage(ctx, make([]byte, 1000), false); err != nil {
					stopped <- err
					return
				}
			}
		}()
		netsim.Elapse(time.Second)
		check(t, large.Send(pattern(200000, 0)))
		wantMessage(t, largeB, string(pattern(200000, 0)), false)
		cancel()
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// WriteMessage waits for room, and its context, the end of the channel and of the
// session end the wait; what it did not send is not sent.
func TestWriteMessageWaits(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 20000}}, link: slow}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		other, _ := p.open("other", nil)
		write := func(ch *Channel, ctx context.Context, c byte) <-chan error {
			done := make(chan error, 1)
			go func() { done <- ch.WriteMessage(ctx, bytes.Repeat([]byte{c}, 15000), false) }()
			synctest.Wait()
			return done
		}
		check(t, a.WriteMessage(background, bytes.Repeat([]byte("1"), 15000), false))
		second := write(a, background, '2')
		ctx, cancel := context.WithCancel(background)
		third := write(a, ctx, '3')
		fourth := write(a, background, '4')
		if n := a.BufferedAmount(); n < 45000 {
			t.Errorf("%d buffered", n)
		}
		cancel()
		if err := <-third; err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
		if err := a.WriteMessage(ctx, nil, false); err != context.Canceled {
			t.Errorf("canceled before: %v", err)
		}
		for _, c := range "124" {
			wantMessage(t, b, string(bytes.Repeat([]byte{byte(c)}, 15000)), false)
		}
		check(t, <-second)
		check(t, <-fourth)
		if st := a.Stats(); st.MessagesSent != 3 || st.BytesSent != 45000 {
			t.Errorf("%+v", st)
		}

		check(t, a.WriteMessage(background, make([]byte, 15000), false))
		closed, aborted := write(a, background, '5'), write(other, background, '6')
		a.Close()
		if err := <-closed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		p.a.Abort("")
		if err := <-aborted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("aborted: %v", err)
		}
	})
}

// Before the association exists, WriteMessage waits for it, and applies the limit
// that the peer has.
func TestWriteMessageBeforeStart(t *testing.T) {
	var results chan error
	cfg := setup{paramsA: Params{RemoteMaxMessageSize: 100000}, before: func(p *pair) {
		results = make(chan error, 3)
		ch := value(p.a.CreateChannel("", nil))(p.t)
		for _, n := range []int{10, 100001, 100000} {
			go func() { results <- ch.WriteMessage(background, make([]byte, n), false) }()
			synctest.Wait()
		}
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		b := p.accept(p.b)
		for _, n := range []int{10, 100000} {
			wantMessage(t, b, string(make([]byte, n)), false)
		}
		failed := 0
		for range 3 {
			var typ *TypeError
			if err := <-results; errors.As(err, &typ) {
				failed++
			} else if err != nil {
				t.Error(err)
			}
		}
		if failed != 1 {
			t.Errorf("%d writes failed", failed)
		}
	})
}

// A lifetime counts from the hand-over to this package: what expires while it
// waits is not sent, and makes room (8832-5.1-b, PIONS-2).
func TestLifetimeInTheQueue(t *testing.T) {
	cfg := setup{
		a: Config{SCTP: sctp.Config{SendBuffer: 10000}, MaxBufferedAmount: 30000},
		link: func(c *netsim.PipeConfig) {
			c.AtoB.Down = []netsim.Window{{From: 2 * time.Second, To: 4 * time.Second}}
		},
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		timed, timedB := p.open("timed", &Init{MaxPacketLifeTime: ptr[uint16](300)})
		netsim.Elapse(time.Until(time.Now().Add(time.Second)))
		for range 30 {
			check(t, timed.Send(make([]byte, 1000)))
		}
		var op *OperationError
		if err := timed.Send(make([]byte, 15000)); !errors.As(err, &op) {
			t.Errorf("full: %v", err)
		}
		netsim.Elapse(500 * time.Millisecond)
		check(t, timed.Send(make([]byte, 15000))) // the queue expired
		netsim.Elapse(5 * time.Second)
		check(t, timed.Send([]byte("fresh")))
		got := 0
		for {
			m := value(timedB.ReadMessage(background))(t)
			if string(m.Data) == "fresh" {
				break
			}
			got++
		}
		if got > 10 {
			t.Errorf("%d messages arrived that should have expired", got)
		}
		if n := timed.BufferedAmount(); n != 0 {
			t.Errorf("%d bytes remain", n)
		}
	})
}

// A channel that limits retransmissions or lifetime loses messages on a bad link,
// never parts of them, and keeps their order if it is ordered; a reliable one
// loses nothing.
func TestPartialReliability(t *testing.T) {
	lossy := func(c *netsim.PipeConfig) { c.AtoB.Loss, c.Seed = 0.1, 3 }
	for _, c := range []struct {
		desc     string
		init     Init
		reliable bool
	}{
		{"reliable", Init{}, true},
		{"reliable unordered", Init{Unordered: true}, true},
		{"rexmit 0", Init{MaxRetransmits: ptr[uint16](0)}, false},
		{"rexmit 0 unordered", Init{MaxRetransmits: ptr[uint16](0), Unordered: true}, false},
		{"timed", Init{MaxPacketLifeTime: ptr[uint16](60)}, false},
		{"timed unordered", Init{MaxPacketLifeTime: ptr[uint16](60), Unordered: true}, false},
	} {
		t.Run(c.desc, func(t *testing.T) {
			bubble(t, setup{link: lossy}, func(t *testing.T, p *pair) {
				a, b := p.open("", &c.init)
				const n = 300
				received := make([]int, n)
				last := -1
				b.OnMessage(func(m Message) {
					i := int(m.Data[0])<<8 | int(m.Data[1])
					if !bytes.Equal(m.Data[2:], pattern(3000, byte(i))) {
						t.Errorf("message %d is damaged", i)
					}
					if received[i]++; !c.init.Unordered && i < last {
						t.Errorf("message %d after %d", i, last)
					}
					last = i
				})
				for i := range n {
					check(t, a.Send(append([]byte{byte(i >> 8), byte(i)}, pattern(3000, byte(i))...)))
					netsim.Elapse(20 * time.Millisecond)
				}
				netsim.Elapse(30 * time.Second)
				synctest.Wait()
				lost := 0
				for i, k := range received {
					if k > 1 {
						t.Errorf("message %d came %d times", i, k)
					}
					if k == 0 {
						lost++
					}
				}
				if c.reliable && lost > 0 || !c.reliable && (lost == 0 || lost == n) {
					t.Errorf("lost %d of %d", lost, n)
				}
			})
		})
	}
}

// The queue keeps order through compaction, insertion and removal.
func TestQueue(t *testing.T) {
	var q fifo[outgoing]
	var want []uint32
	next := uint32(0)
	push := func() { next++; q.push(outgoing{ppid: next}); want = append(want, next) }
	for i := range 2000 {
		push()
		if i%3 == 0 {
			push()
		}
		if at := i % 5; i%2 == 0 && at < len(want) {
			if got := q.remove(at).ppid; got != want[at] {
				t.Fatalf("removed %d, want %d", got, want[at])
			}
			want = append(want[:at:at], want[at+1:]...)
		}
		if i%100 == 0 {
			next += 2
			q.pushFront(outgoing{ppid: next - 1}, outgoing{ppid: next})
			want = append([]uint32{next - 1, next}, want...)
		}
	}
	for i, w := range want {
		if got := q.at(i).ppid; got != w {
			t.Fatalf("at %d: %d, want %d", i, got, w)
		}
	}
	for range want {
		q.remove(0)
	}
	if q.items != nil {
		t.Error("an empty queue keeps its memory")
	}
	if n := testing.AllocsPerRun(10, func() { q.push(outgoing{}); q.pop() }); n != 0 && !raceDetector {
		t.Errorf("%v allocations for one item", n)
	}
	many := make([]outgoing, 1000) // one move for all, not for each
	if n := testing.AllocsPerRun(1, func() { q.pushFront(many...) }); n > 10 {
		t.Errorf("%v allocations for %d items at the front", n, len(many))
	}
}

// Accounting of payload among overhead, for every amount that is left.
func TestBufferedAccounting(t *testing.T) {
	var b buffered
	var payload []bool // per byte accepted
	add := func(n int, isPayload bool) {
		size := 0
		if isPayload {
			size = n
		}
		b.handed(n, size)
		for range n {
			payload = append(payload, isPayload)
		}
	}
	add(13, false)
	add(5, true)
	add(1, false)
	add(1, false)
	add(3, true)
	add(1, false)
	add(2, true)
	for left := len(payload); left >= 0; left-- {
		want := 0
		for _, p := range payload[len(payload)-left:] {
			if p {
				want++
			}
		}
		if got := b.amount(left); got != want {
			t.Fatalf("%d bytes left: %d payload, want %d", left, got, want)
		}
	}
	if b.overhead != nil || b.spare != 0 {
		t.Errorf("%v remain", b.overhead)
	}
}

// Sending allocates nothing in this package and one copy below it.
func TestSendAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	hostile(t, Config{}, true, sctp.Config{ReceiveBuffer: 64 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](2)}))(t)
		data, text := make([]byte, 1000), string(pattern(1000, 0))
		if n := testing.AllocsPerRun(100, func() {
			s.lock()
			s.conn.BufferedAmount(2)
			s.unlock()
		}); n != 0 {
			t.Errorf("locking allocates %v", n)
		}
		base := testing.AllocsPerRun(100, func() {
			s.conn.TryWriteMessage(sctp.Message{Stream: 2, PPID: dcep.PPIDBinary, Payload: data})
		})
		binary := testing.AllocsPerRun(100, func() { check(t, ch.Send(data)) })
		texts := testing.AllocsPerRun(100, func() { check(t, ch.SendText(text)) })
		if binary > base || texts > base {
			t.Errorf("%v allocations for binary, %v for text, the association alone has %v", binary, texts, base)
		}
	})
}

// Channels share the way in proportion to their priorities, in both directions, and a
// channel with messages larger than the send buffer holds up no other (8831-6.4-a,
// 8260-3-a, PIONS-15).
func TestPriorities(t *testing.T) {
	slow := func(c *netsim.PipeConfig) {
		c.AtoB.Rate, c.AtoB.Queue = 250_000, 20_000
		c.BtoA.Rate, c.BtoA.Queue = 250_000, 20_000
	}
	bubble(t, setup{link: slow}, func(t *testing.T, p *pair) {
		high, highB := p.open("", &Init{Priority: 1024})
		low, lowB := p.open("", &Init{Priority: 128})
		var got [2][2]atomic.Int64 // by side that sends, and channel
		for i, ch := range []*Channel{highB, lowB, high, low} {
			count := &got[i/2][i%2]
			ch.OnMessage(func(m Message) { count.Add(int64(len(m.Data))) })
		}
		for _, ch := range []*Channel{high, low, highB, lowB} {
			for range 60 {
				check(t, ch.Send(pattern(100_000, 1)))
			}
		}
		netsim.Elapse(20 * time.Second)
		for side := range got {
			h, l := float64(got[side][0].Load()), float64(got[side][1].Load())
			if h+l < 4e6 || h/l < 7 || h/l > 9 {
				t.Errorf("side %d: %.0f and %.0f bytes arrived", side, h, l)
			}
		}
	})
}

func TestLargeMessagesHoldUpNoOther(t *testing.T) {
	cfg := setup{
		a:       Config{SCTP: sctp.Config{SendBuffer: 100_000}},
		b:       Config{MaxMessageSize: 1 << 22},
		paramsA: Params{RemoteMaxMessageSize: 1 << 22},
		link:    func(c *netsim.PipeConfig) { c.AtoB.Rate, c.AtoB.Queue = 1_000_000, 50_000 },
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		large, largeB := p.open("", nil)
		thin, thinB := p.open("", nil)
		other, otherB := p.open("", nil)
		var arrived [2]atomic.Int64
		for i, ch := range []*Channel{largeB, otherB} {
			ch.OnMessage(func(Message) { arrived[i].Add(1) })
		}
		check(t, large.Send(pattern(3_000_000, 1)))
		check(t, large.Send(pattern(3_000_000, 2)))
		written := make(chan error, 1)
		go func() { written <- other.WriteMessage(background, pattern(3_000_000, 3), false) }()
		for range 60 {
			at := time.Now()
			check(t, thin.Send([]byte("thin")))
			value(thinB.ReadMessage(background))(t)
			if d := time.Since(at); d > 250*time.Millisecond { // a large one takes 3 s
				t.Fatalf("a small message took %v while %d large ones arrived", d, arrived[0].Load()+arrived[1].Load())
			}
			netsim.Elapse(100 * time.Millisecond)
		}
		netsim.Elapse(10 * time.Second)
		check(t, <-written)
		if arrived[0].Load() != 2 || arrived[1].Load() != 1 {
			t.Errorf("%d and %d large messages arrived", arrived[0].Load(), arrived[1].Load())
		}
	})
}

// A WriteMessage that waits for much room, and gives up, does not leave behind the
// messages for which there is enough.
func TestWriterGivesUp(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 10_000}}, b: Config{SCTP: sctp.Config{ReceiveBuffer: 4096}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		large, _ := p.open("", nil)
		small, _ := p.open("", nil)
		write := func(ch *Channel, ctx context.Context, n int) <-chan error {
			done := make(chan error, 1)
			go func() { done <- ch.WriteMessage(ctx, make([]byte, n), false) }()
			settle()
			return done
		}
		for full := false; !full; {
			ctx, cancel := timeout(30 * time.Second)
			full = a.WriteMessage(ctx, make([]byte, 3000), false) != nil
			cancel()
		}
		ctx, cancel := context.WithCancel(background)
		first, second := write(large, ctx, 9000), write(small, background, 10)
		if len(first)+len(second) > 0 {
			t.Fatal("one does not wait")
		}
		cancel()
		synctest.Wait()
		if err := <-first; err != context.Canceled {
			t.Error(err)
		}
		if len(second) == 0 {
			t.Error("a message waits though there is room")
		}
	})
}

// A large message that waits for another one is not copied to find that out, again and
// again, while small ones go.
func TestStandingAsideIsCheap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties pools")
	}
	const large = 2 << 20
	cfg := setup{
		a:       Config{SCTP: sctp.Config{SendBuffer: 100_000}},
		b:       Config{MaxMessageSize: large},
		paramsA: Params{RemoteMaxMessageSize: large},
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		var channels []*Channel
		for range 3 {
			ch, peer := p.open("", nil)
			peer.OnMessage(func(Message) {})
			channels = append(channels, ch)
		}
		check(t, channels[0].Send(make([]byte, large)))
		check(t, channels[1].Send(make([]byte, large)))
		for range 2000 {
			check(t, channels[2].Send(make([]byte, 1000)))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		settle()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 40*large { // most of it for the packets of the link
			t.Errorf("%d times their length allocated for two messages", n/large)
		}
	})
}
