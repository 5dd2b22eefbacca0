package sctp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestOneLimit: a message has one policy at most, and a wrong one changes nothing.
func TestOneLimit(t *testing.T) {
	tc := newConnected(t, Config{})
	for _, r := range []Reliability{
		{LimitRetransmits: true, Lifetime: 1},
		{LimitRetransmits: true, LimitLifetime: true},
		{LimitRetransmits: true, LimitPriority: true},
		{LimitLifetime: true, LimitPriority: true},
		{LimitRetransmits: true, LimitLifetime: true, LimitPriority: true},
	} {
		if err := tc.a.Send(tc.now, Message{Payload: payload(1), Reliability: r}); !errors.Is(err, ErrReliability) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if s := tc.a.Stats(); s.MessagesSent != 0 || s.SendBuffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// closedWindow returns an association whose peer takes nothing, with a send buffer
// for n messages of 1000 bytes.
func closedWindow(t *testing.T, n int) *testConn {
	tc := newConnected(t, Config{SendBuffer: n * 1000, HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(10)})
	tc.want("one message", "DATA tsn=0")
	tc.write(sack{cum: 0, closed: true})
	tc.wantIdle("the window is closed")
	return tc
}

// wantAbandoned wants these messages, by ID, to be reported as abandoned next.
func (tc *testConn) wantAbandoned(why string, ids ...uint64) {
	tc.t.Helper()
	tc.drain()
	var got []uint64
	tc.events = slices.DeleteFunc(tc.events, func(e Event) bool {
		if e.Kind == EventMessageAbandoned {
			got = append(got, e.Message)
		}
		return e.Kind == EventMessageAbandoned
	})
	if !slices.Equal(got, ids) {
		tc.t.Fatalf("%s: abandoned %v, want %v", why, got, ids)
	}
}

// TestPriorityUnsent: in a full send buffer the least important messages give way,
// the oldest of them first, and no more than needed. // 7496-3.2-a
func TestPriorityUnsent(t *testing.T) {
	tc := closedWindow(t, 5)
	for i, p := range []uint32{5, 7, 7, 0, 9} {
		tc.send(Message{ID: uint64(i + 1), Stream: uint16(i), Payload: payload(1000), Reliability: priority(p)})
	}
	tc.wantAbandoned("there was room")
	full := func(why string, m Message) {
		t.Helper()
		if err := tc.a.Send(tc.now, m); err != ErrSendBufferFull {
			t.Fatalf("%s: %v", why, err)
		}
		tc.wantAbandoned(why)
	}
	full("none is less important", Message{Payload: payload(1000), Reliability: priority(9)})
	full("two are, which is not enough", Message{Payload: payload(4000), Reliability: priority(6)})
	full("a limit of another kind has no priority", Message{Payload: payload(1000), Reliability: rexmit(0)})
	full("nor has this one", Message{Payload: payload(1000), Reliability: lifetime(time.Second)})
	tc.send(Message{ID: 6, Payload: payload(1000), Reliability: priority(8)})
	tc.wantAbandoned("the least important", 5)
	tc.send(Message{ID: 7, Payload: payload(1500), Reliability: priority(1)})
	tc.wantAbandoned("the least important, then the oldest of equals", 6, 2)
	tc.send(Message{ID: 8, Stream: 9, Payload: payload(5000)})
	tc.wantAbandoned("reliable ones outrank all", 3, 1, 7, 4)
	if s := tc.a.Stats(); s.Abandoned.ByPriority != (Abandoned{Unsent: 7}) || s.SendBuffered != 5000 || s.QueuedMessages != 1 {
		t.Fatalf("%+v", s) // 7496-4.3-a
	}
	full("nothing is left to give up", Message{Payload: payload(1)})
	tc.write(sack{cum: 0})
	for i := range 5 {
		tc.want("what was given up took no TSN", fmt.Sprintf("DATA tsn=%d sid=9 ssn=0", i+1))
		if i == 3 {
			tc.write(sack{cum: 4})
		}
	}
}

// TestPriorityLarge: a message larger than the buffer displaces all or nothing.
func TestPriorityLarge(t *testing.T) {
	tc := closedWindow(t, 2)
	tc.send(Message{ID: 1, Payload: payload(500), Reliability: priority(1)})
	tc.send(Message{ID: 2, Payload: payload(1500)})
	if err := tc.a.Send(tc.now, Message{Payload: payload(3000)}); err != ErrSendBufferFull {
		t.Fatal(err)
	}
	tc.wantAbandoned("a reliable one is in the way")
	tc = closedWindow(t, 2)
	tc.send(Message{ID: 1, Payload: payload(1000), Reliability: priority(1)})
	tc.send(Message{ID: 2, Payload: payload(1000), Reliability: priority(2)})
	tc.send(Message{ID: 3, Payload: payload(3000), Reliability: priority(1)})
	tc.wantAbandoned("it takes half of the buffer", 2)
	if err := tc.a.Send(tc.now, Message{Payload: payload(3000)}); err != ErrLargeMessagePending {
		t.Fatal(err)
	}
	tc.wantAbandoned("a large one is not given up for another")
}

// TestPriorityEntries: where many small messages fill the buffer, only such give
// way of which nothing was sent; giving up others would free nothing.
func TestPriorityEntries(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 4 * messageCost, HeartbeatInterval: -1})
	for i := range 2 {
		tc.send(Message{ID: uint64(i + 1), Payload: payload(1), Reliability: priority(9)})
	}
	tc.wantPackets("sent", 2)
	tc.write(sack{cum: -1, closed: true})
	for i := range 2 {
		tc.send(Message{ID: uint64(i + 3), Payload: payload(1), Reliability: priority(5)})
	}
	tc.send(Message{ID: 5, Payload: payload(1), Reliability: priority(1)})
	tc.wantAbandoned("one that was not sent", 3)
	if tc.a.sent.at(tc.a.sent.cum.Add(1)).msg.displaced {
		t.Fatal("one that was sent has been given up in vain")
	}
}

// TestPrioritySent: a message that was sent completely gives way, too. It is told
// abandoned if it is lost, without another transmission, and with the reaction to
// the loss; else it was delivered. // 7496-3.2-a 7496-3.1-a 3758-3.5-d
func TestPrioritySent(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 3000, HeartbeatInterval: -1, LossDetection: MissIndications})
	for i := range 3 {
		tc.send(Message{ID: uint64(i + 1), Stream: 1, Payload: payload(1000), Reliability: priority(5)})
	}
	tc.wantPackets("three messages", 3)
	tc.send(Message{ID: 4, Stream: 2, Payload: payload(2000)})
	tc.wantPackets("takes the room of two of them", 2)
	tc.wantAbandoned("the peer may have them")
	if s := tc.a.Stats(); s.SendBuffered != 3000 || s.UnackedDataChunks != 5 {
		t.Fatalf("%+v", s)
	}
	tc.write(sack{cum: 0}) // the first arrived
	tc.events = nil
	tc.advanceToTimer()
	tc.wantAbandoned("the second did not", 2)
	// The third keeps its room, and is sent again.
	tc.want("it is sent again, and the peer is told to go on", "FORWARD-TSN cum=1 streams=1:1", "DATA tsn=2 sid=1 ssn=2") // 3758-3.5-c
	s := tc.a.Stats()
	if s.Abandoned.ByPriority != (Abandoned{Sent: 1}) || s.Timeouts != 1 || s.CongestionWindow != tc.a.paths.primary().pmdcs() { // 7496-4.3-a
		t.Fatalf("%+v", s)
	}
	tc.write(sack{cum: 4})
	if s := tc.a.Stats(); s.SendBuffered != 0 || s.MessagesDelivered != 3 || s.MessagesAbandoned != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestPriorityBegun: a message of which a part was sent is given up as a whole, and its
// room is free at once. // 3758-3.5-a
func TestPriorityBegun(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 20_000})
	tc.send(Message{ID: 1, Stream: 1, Payload: payload(20_000), Reliability: priority(5)})
	tc.wantPackets("as the window allows", 4)
	tc.send(Message{ID: 2, Stream: 2, Payload: payload(1000), Reliability: priority(4)})
	tc.wantAbandoned("it gives way", 1)
	tc.wantIdle("what was sent of it fills the congestion window") // 3758-3.5-d
	if s := tc.a.Stats(); s.SendBuffered != 1000 || s.Abandoned.ByPriority != (Abandoned{Sent: 1}) {
		t.Fatalf("%+v", s)
	}
	tc.advanceToTimer()
	tc.want("lost, it is skipped", "FORWARD-TSN cum=4 streams=1:0", "DATA tsn=5 sid=2 ssn=0")
}

// TestPriorityAfterAck: what the peer has acknowledged frees nothing.
func TestPriorityAfterAck(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 20_000})
	tc.send(Message{ID: 1, Stream: 1, Payload: payload(20_000), Reliability: priority(5)})
	tc.wantPackets("as the window allows", 4)
	tc.write(sack{cum: 3, closed: true})
	tc.wantIdle("the window is closed")
	freed := 20_000 - tc.a.Stats().SendBuffered
	if freed != 4*1160 {
		t.Fatal(freed)
	}
	tc.send(Message{ID: 2, Stream: 2, Payload: payload(freed)})
	tc.wantAbandoned("there is room")
	tc.send(Message{ID: 3, Stream: 2, Payload: payload(20_000 - freed)})
	tc.wantAbandoned("all that it still holds", 1)
	if s := tc.a.Stats(); s.SendBuffered != 20_000 {
		t.Fatalf("%+v", s)
	}
}

// TestPriorityNeedsPeer: without partial reliability nothing is given up. // 3758-3.3-a
func TestPriorityNeedsPeer(t *testing.T) {
	tc := newTestConn(t, Config{SendBuffer: 1000})
	tc.peerParams = func(b []byte, _ int) []byte { return b }
	tc.connect()
	tc.send(Message{Payload: payload(1000), Reliability: priority(5)})
	m := Message{Payload: payload(1000)}
	if err := tc.a.Send(tc.now, m); err != ErrSendBufferFull || tc.a.Displaces(&m) {
		t.Fatal(err)
	}
}

// TestPriorityWritable: room made by giving up is no reason to report room to
// those who wait for more of it.
func TestPriorityWritable(t *testing.T) {
	tc := closedWindow(t, 2)
	tc.send(Message{Payload: payload(1000), Reliability: priority(5)})
	tc.send(Message{Payload: payload(1000), Reliability: priority(5)})
	if err := tc.a.Send(tc.now, Message{Payload: payload(500), Reliability: rexmit(1)}); err != ErrSendBufferFull {
		t.Fatal(err)
	}
	tc.events = nil
	tc.send(Message{Payload: payload(900)})
	if tc.hasEvent(EventWritable) {
		t.Fatal("100 bytes are not room for 500")
	}
	tc.send(Message{Payload: payload(400)})
	if !tc.hasEvent(EventWritable) {
		t.Fatal("700 bytes are")
	}
}

// TestExpiryInQueue: a message whose lifetime ends in the queue is given up then,
// though its turn does not come and nothing else happens: its room is free, its
// bytes count as buffered no more, and who waits for that is told. // 8832-5.1-b 3758-4.1-a
func TestExpiryInQueue(t *testing.T) {
	tc := closedWindow(t, 3)
	tc.send(Message{ID: 1, Stream: 1, Payload: payload(1000)})
	tc.send(Message{ID: 2, Stream: 1, Payload: payload(1000), Reliability: lifetime(50 * time.Millisecond)})
	tc.send(Message{ID: 3, Stream: 2, Payload: payload(1000), Reliability: lifetime(20 * time.Millisecond)})
	if err := tc.a.Send(tc.now, Message{Stream: 1, Payload: payload(1000)}); err != ErrSendBufferFull {
		t.Fatal(err)
	}
	tc.events = nil
	tc.a.SetBufferedAmountLowThreshold(1, 1500)
	tc.a.SetTotalBufferedAmountLowThreshold(2500)
	if d := tc.advanceToTimer(); d != 20*time.Millisecond+1 {
		t.Fatalf("the next deadline was in %v", d)
	}
	for _, want := range []Event{
		{Kind: EventMessageAbandoned, Stream: 2, Message: 3},
		{Kind: EventBufferedAmountLow, Stream: 2},
		{Kind: EventTotalBufferedAmountLow}, {Kind: EventWritable},
	} {
		if e := tc.wantEvent("at its deadline", want.Kind); e != want {
			t.Fatalf("%+v, want %+v", e, want)
		}
	}
	if d := tc.advanceToTimer(); d != 30*time.Millisecond {
		t.Fatalf("the next deadline was in %v", d)
	}
	for _, want := range []Event{{Kind: EventMessageAbandoned, Stream: 1, Message: 2}, {Kind: EventBufferedAmountLow, Stream: 1}} {
		if e := tc.wantEvent("behind another of its stream", want.Kind); e != want {
			t.Fatalf("%+v, want %+v", e, want)
		}
	}
	s := tc.a.Stats()
	if s.Abandoned.ByLifetime != (Abandoned{Unsent: 2}) || tc.a.BufferedAmount(1) != 1000 || tc.a.TotalBufferedAmount() != 1000 || s.SendBuffered != 1000 {
		t.Fatalf("%+v", s)
	}
	if st := tc.a.StreamStats(1); st.Abandoned.ByLifetime != (Abandoned{Unsent: 1}) || st.QueuedBytes != 1000 { // 7496-4.3-a
		t.Fatalf("%+v", st)
	}
	tc.write(sack{cum: 0})
	tc.want("the other", "DATA tsn=1 sid=1 ssn=0")
	tc.wantIdle("is all")
}

// TestExpiryShutdown: what expires in the queue does not hold up the end.
func TestExpiryShutdown(t *testing.T) {
	tc := closedWindow(t, 3)
	tc.send(Message{Payload: payload(10), Reliability: lifetime(30 * time.Millisecond)})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.wantIdle("there is something to send yet")
	tc.advance(40 * time.Millisecond)
	tc.want("there is not", "SHUTDOWN")
}

// TestAbandonedCounters: each message counts once, by its policy and whether it was
// begun, for its stream and the association. // 7496-4.3-a
func TestAbandonedCounters(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 1, Payload: payload(20_000), Reliability: lifetime(100 * time.Millisecond)})
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: lifetime(50 * time.Millisecond)})
	tc.advance(200 * time.Millisecond)
	tc.write(sack{cum: 4})
	tc.send(Message{Stream: 2, Payload: payload(10), Reliability: rexmit(0)})
	tc.advance(2 * time.Second)
	if got, want := tc.a.StreamStats(1).Abandoned, (AbandonedStats{ByLifetime: Abandoned{1, 1}}); got != want {
		t.Errorf("%+v", got)
	}
	if got, want := tc.a.StreamStats(2).Abandoned, (AbandonedStats{ByRetransmits: Abandoned{0, 1}}); got != want {
		t.Errorf("%+v", got)
	}
	s := tc.a.Stats()
	if want := (AbandonedStats{ByRetransmits: Abandoned{0, 1}, ByLifetime: Abandoned{1, 1}}); s.Abandoned != want || s.MessagesAbandoned != 3 || s.Abandoned.All() != (Abandoned{1, 2}) {
		t.Errorf("%+v", s)
	}
	if tc.a.StreamStats(7) != (StreamStats{}) {
		t.Error("a stream that was not used has figures")
	}
}

// TestLifecycle: what the sender is told of a message with an ID. // DCSCTP-lifecycle
func TestLifecycle(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{ID: 7, Stream: 3, Payload: payload(2000)})
	if e := tc.wantEvent("all was handed over", EventMessageSent); e.Message != 7 || e.Stream != 3 {
		t.Fatalf("%+v", e)
	}
	tc.send(Message{Stream: 3, Payload: payload(1)})
	tc.events = nil
	tc.write(sack{cum: 0})
	tc.wantNoEvent("only a part is acknowledged, and the other message has no ID")
	tc.write(sack{cum: 2})
	if e := tc.wantEvent("all is", EventMessageDelivered); e.Message != 7 || e.Stream != 3 {
		t.Fatalf("%+v", e)
	}
	tc.wantNoEvent("that is all")
	if s := tc.a.Stats(); s.MessagesDelivered != 2 {
		t.Fatalf("%+v", s)
	}
}

// TestMessageHeap compares the heap with a sorted list.
func TestMessageHeap(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		h := messageHeap{by: policyPriority}
		var in []*outMessage
		for i := range 60 {
			if d.IntN(3) > 0 || len(in) == 0 {
				m := &outMessage{policy: policyPriority, priority: d.Uint32N(5), arrival: uint64(i), payload: make([]byte, 1+d.IntN(50))}
				h.push(m)
				in = append(in, m)
			} else {
				i := d.IntN(len(in))
				h.remove(in[i])
				in = slices.Delete(in, i, i+1)
			}
			r, want := rank(d.Uint32N(6)), 0
			for _, m := range in {
				if rank(m.priority) > r {
					want += len(m.payload)
				}
			}
			for _, s := range []shortage{{bytes: want, limit: 100}, {bytes: want + 1, limit: 100}} {
				enough := s.bytes == want
				if h.weigh(0, r, false, &s); s.met() != enough {
					t.Fatalf("%d bytes are of less importance than %d; after weighing %+v", want, r, s)
				}
			}
		}
		slices.SortFunc(in, func(a, b *outMessage) int {
			if h.before(a, b) {
				return -1
			}
			return 1
		})
		for _, want := range in {
			if h.first() != want {
				t.Fatal("another comes first")
			}
			h.remove(want)
		}
	}
}
