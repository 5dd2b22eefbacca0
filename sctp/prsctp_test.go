package sctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

func rexmit(n uint16) Reliability { return Reliability{LimitRetransmits: true, MaxRetransmits: n} }
func priority(n uint32) Reliability {
	return Reliability{LimitPriority: true, Priority: n}
}
func lifetime(d time.Duration) Reliability {
	return Reliability{LimitLifetime: true, Lifetime: d}
}

// TestMaxRetransmitsZero: 0 sends once; nothing is abandoned before it is lost
// (PIONS-2). // 7496-3.1-a 3758-3.5-b DCSCTP-partial-reliability
func TestMaxRetransmitsZero(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(0)})
	tc.want("sent once", "DATA tsn=0 sid=1 ssn=0")
	tc.wantIdle("no FORWARD-TSN before a loss")
	if tc.hasEvent(EventMessageAbandoned) {
		t.Fatal("abandoned before it was lost")
	}
	tc.advanceToTimer()
	tc.want("lost: the peer is told to go on", "FORWARD-TSN cum=0 streams=1:0")
	tc.wantIdle("and only once")
	if !tc.hasEvent(EventMessageAbandoned) {
		t.Fatal("no EventMessageAbandoned")
	}
	tc.write(sack{cum: 0})
	tc.wantIdle("done")
	if _, ok := tc.a.Timeout(); ok && tc.a.paths.primary().t3.on() {
		t.Fatal("T3-rtx still runs")
	}
	if s := tc.a.Stats(); s.MessagesAbandoned != 1 || s.SendBuffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestMaxRetransmitsExact: n retransmissions, by timeout. // 7496-3.1-a
func TestMaxRetransmitsExact(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		tc := newConnected(t, Config{HeartbeatInterval: -1})
		tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(uint16(n)), Unordered: true})
		tc.want("first transmission", "DATA tsn=0")
		for range n {
			tc.advanceToTimer()
			tc.want("retransmission", "DATA tsn=0")
		}
		tc.advanceToTimer()
		tc.want("unordered messages are not listed", "FORWARD-TSN cum=0 streams=") // 3758-3.2-a
	}
}

// TestMaxRetransmitsFast: fast retransmissions count too. // 7496-3.1-a 3758-3.5-d
func TestMaxRetransmitsFast(t *testing.T) {
	tc := newConnected(t, Config{CongestionControl: Reno})
	tc.send(Message{Stream: 1, Payload: payload(1000), Reliability: rexmit(0)})
	for range 3 {
		tc.send(Message{Stream: 2, Payload: payload(1000)})
	}
	tc.wantPackets("four messages", 4)
	for i := range 3 {
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: uint16(2 + i)}}})
	}
	tc.want("the third miss abandons it", "FORWARD-TSN cum=0 streams=1:0")
	if s := tc.a.Stats(); s.SlowStartThreshold != 4*testPMDCS || s.FastRetransmits != 1 {
		t.Fatalf("no congestion response: %+v", s)
	}
	tc.write(sack{cum: 3})
	tc.wantIdle("all acknowledged")
}

// TestLifetime counts from Send, for data not sent, sent and lost. // 8832-5.1-b 3758-4.1-a DCSCTP-partial-reliability
func TestLifetime(t *testing.T) {
	t.Run("unsent data takes no TSN", func(t *testing.T) {
		tc := newConnected(t, Config{})
		for range 6 { // fills the window
			tc.send(Message{Stream: 1, Payload: payload(1100)})
		}
		n := len(tc.wantPackets("the window is full", 4))
		tc.send(Message{Stream: 2, Payload: payload(10), Reliability: lifetime(100 * time.Millisecond)})
		tc.advance(150 * time.Millisecond)
		tc.write(sack{cum: n - 1})
		for _, c := range tc.wantPackets("the rest", 2) {
			if c == "DATA tsn=6 sid=2" {
				t.Fatal("expired data was sent")
			}
		}
		tc.send(Message{Stream: 3, Payload: payload(10)})
		tc.want("the next TSN", "DATA tsn=6 sid=3 ssn=0")
		if !tc.hasEvent(EventMessageAbandoned) {
			t.Fatal("no EventMessageAbandoned")
		}
	})
	t.Run("lost data is not resent after it", func(t *testing.T) {
		tc := newConnected(t, Config{})
		tc.send(Message{Stream: 1, Payload: payload(10), Reliability: lifetime(1500 * time.Millisecond)})
		tc.want("sent", "DATA tsn=0")
		tc.advanceToTimer() // 1 s
		tc.want("resent while it lives", "DATA tsn=0")
		tc.advanceToTimer() // 3 s
		tc.want("abandoned after", "FORWARD-TSN cum=0 streams=1:0")
	})
	t.Run("zero", func(t *testing.T) {
		tc := newConnected(t, Config{})
		tc.send(Message{Stream: 1, Payload: payload(10), Reliability: lifetime(0)})
		tc.want("sent if it can be at once", "DATA tsn=0")
		tc.advanceToTimer()
		tc.want("but not again", "FORWARD-TSN cum=0")
		tc.write(sack{cum: 0, closed: true})
		tc.send(Message{Stream: 1, Payload: payload(10), Reliability: lifetime(0)})
		tc.wantIdle("the window is closed")
		tc.now = tc.now.Add(time.Nanosecond)
		tc.write(sack{cum: 0})
		tc.wantIdle("it is too late")
		if tc.a.Stats().SendBuffered != 0 {
			t.Fatal("still buffered")
		}
	})
	t.Run("both limits are an error", func(t *testing.T) {
		tc := newConnected(t, Config{})
		r := Reliability{LimitRetransmits: true, Lifetime: 1}
		if err := tc.a.Send(tc.now, Message{Payload: payload(1), Reliability: r}); !errors.Is(err, ErrReliability) {
			t.Fatal(err)
		}
	})
}

// TestAbandonWholeMessage: all fragments go together, also those never sent,
// which a TSN of their own stands for. // 3758-3.5-a DCSCTP-partial-reliability
func TestAbandonWholeMessage(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(20_000), Reliability: lifetime(500 * time.Millisecond)})
	n := len(tc.wantPackets("as the window allows", 4))
	tc.advance(600 * time.Millisecond)
	tc.wantIdle("what was sent may yet arrive")
	tc.advanceToTimer()
	tc.want("all of it is skipped, and its end", "FORWARD-TSN cum=4 streams=1:0")
	if n != 4 || tc.a.Stats().SendBuffered != 0 || tc.a.BufferedAmount(1) != 0 {
		t.Fatalf("%d %+v", n, tc.a.Stats())
	}
	tc.write(sack{cum: 4})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("the stream goes on", "DATA tsn=5 sid=1 ssn=1")
}

// TestAbandonOutstanding: what is outstanding of a message when the rest expires takes
// its part of the window, and its loss is a sign of congestion. // 3758-3.5-d 3758-3.5-a
func TestAbandonOutstanding(t *testing.T) {
	for _, how := range []LossDetection{RACK, MissIndications} {
		expired := func() *testConn {
			tc := newConnected(t, Config{CongestionControl: Reno, HeartbeatInterval: -1, LossDetection: how})
			tc.send(Message{Stream: 1, Payload: payload(20_000), Reliability: lifetime(500 * time.Millisecond)})
			tc.wantPackets("as the window allows", 4)
			tc.advance(600 * time.Millisecond)
			if !tc.hasEvent(EventMessageAbandoned) || tc.a.Stats().SendBuffered != 0 {
				t.Fatal("its lifetime is over")
			}
			tc.send(Message{Stream: 2, Payload: payload(10)})
			tc.wantIdle("the congestion window is full")
			return tc
		}
		const (
			forward = "FORWARD-TSN cum=4 streams=1:0"
			next    = "DATA tsn=5 sid=2 ssn=0"
		)
		tc := expired()
		tc.write(gaps(-1, 1, 1))
		if how == RACK {
			tc.write(gaps(-1, 1, 3))
			tc.want("overtaken: all of it is abandoned", forward, next)
		} else {
			tc.write(gaps(-1, 1, 1))
			tc.want("there is room", next)
			tc.write(gaps(-1, 1, 2))
			tc.wantIdle("not lost yet")
			tc.write(gaps(-1, 1, 3))
			tc.want("lost: all of it is abandoned", forward)
		}
		if s := tc.a.Stats(); s.SlowStartThreshold != 4*testPMDCS || s.FastRetransmits != 1 || s.Retransmissions != 0 {
			t.Errorf("no response to a loss: %+v", s)
		}
		tc = expired()
		tc.advanceToTimer()
		tc.want("T3-rtx", forward, next)
		if s := tc.a.Stats(); s.CongestionWindow != testPMDCS || s.Timeouts != 1 || s.Retransmissions != 0 {
			t.Errorf("no response to a timeout: %+v", s)
		}
		tc = expired()
		tc.write(sack{cum: 3})
		tc.want("all that was sent arrived", forward, next)
		tc.write(sack{cum: 5})
		if s := tc.a.Stats(); s.SlowStartThreshold != maxWindow || s.MessagesAbandoned != 1 || s.MessagesDelivered != 1 || s.UnackedDataChunks != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// TestAbandonAfterAck: a message whose sent part is acknowledged, and whose rest
// expires, must still be ended at the peer. // 3758-3.5-a
func TestAbandonAfterAck(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(20_000), Reliability: lifetime(500 * time.Millisecond)})
	tc.wantPackets("as the window allows", 4)
	tc.advance(600 * time.Millisecond)
	tc.write(sack{cum: 3})
	tc.want("its end is skipped", "FORWARD-TSN cum=4 streams=1:0")
	tc.write(sack{cum: 4})
	if s := tc.a.Stats(); s.SendBuffered != 0 || s.UnackedDataChunks != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestForwardTSNRetransmission: T3-rtx repeats it; SACKs that do not cover it do
// so at most once a round trip. // 3758-3.5-b 3758-3.5-c
func TestForwardTSNRetransmission(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("a round trip is measured", "DATA tsn=0")
	tc.now = tc.now.Add(100 * time.Millisecond)
	tc.write(sack{cum: 0})
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(0)})
	tc.want("sent", "DATA tsn=1")
	tc.advanceToTimer() // no probe: a chunk that may not be retransmitted is none
	tc.wantIdle("still")
	tc.advanceToTimer()
	tc.want("told", "FORWARD-TSN cum=1")
	for range 10 {
		tc.write(sack{cum: 0})
	}
	tc.wantIdle("no storm") // PIONS-2
	tc.advance(120 * time.Millisecond)
	tc.write(sack{cum: 0})
	tc.want("again after a round trip", "FORWARD-TSN cum=1")
	tc.advanceToTimer()
	tc.want("again by T3-rtx", "FORWARD-TSN cum=1")
	tc.write(sack{cum: 1})
	tc.advance(time.Minute)
	for _, b := range tc.sent {
		if c := tc.describePacket(b); c[0] != "HEARTBEAT" {
			t.Fatalf("sent %q", c)
		}
	}
}

// TestForwardTSNNeedsPeer: without the peer's announcement all is reliable, and
// what it sends anyway is an unknown chunk. // 3758-3.3-a
func TestForwardTSNNeedsPeer(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.peerParams = func(b []byte, _ int) []byte { return b }
	tc.connect()
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(0)})
	tc.want("sent", "DATA tsn=0")
	tc.advanceToTimer()
	tc.want("retransmitted", "DATA tsn=0")
	tc.write(forwardTSN{cum: 3})
	tc.want("unknown chunk", "ERROR cause=6")
	if err := tc.a.ResetStreams(tc.now, 1); !errors.Is(err, ErrNotSupported) {
		t.Fatal(err)
	}
}

// TestForwardTSNReceived covers what a FORWARD-TSN does to each kind of message. // 3758-3.6-a
func TestForwardTSNReceived(t *testing.T) {
	tests := []struct {
		desc   string
		before []written
		f      forwardTSN
		after  []written
		want   map[uint16][]string
		cum    int
	}{
		{
			desc:   "a stranded ordered message is delivered",
			before: []written{data{tsn: 1, sid: 1, ssn: 1, flags: whole, payload: "b"}},
			f:      forwardTSN{0, []wire.SkippedStream{{Stream: 1, SSN: 0}}},
			want:   map[uint16][]string{1: {"b"}}, cum: 1,
		},
		{
			desc:   "messages at or before the SSN are delivered in order",
			before: []written{data{tsn: 3, sid: 1, ssn: 3, flags: whole, payload: "d"}, data{tsn: 1, sid: 1, ssn: 1, flags: whole, payload: "b"}},
			f:      forwardTSN{2, []wire.SkippedStream{{Stream: 1, SSN: 2}}},
			want:   map[uint16][]string{1: {"b", "d"}}, cum: 3,
		},
		{
			desc:   "a partial message is dropped",
			before: []written{data{tsn: 1, sid: 1, ssn: 0, flags: 0, payload: "middle"}},
			f:      forwardTSN{2, []wire.SkippedStream{{Stream: 1, SSN: 0}}},
			after:  []written{data{tsn: 3, sid: 1, ssn: 1, flags: whole, payload: "next"}},
			want:   map[uint16][]string{1: {"next"}}, cum: 3,
		},
		{
			desc:   "a partial unordered message is dropped",
			before: []written{data{tsn: 0, sid: 1, flags: wire.FlagBegin | wire.FlagUnordered, payload: "begin"}},
			f:      forwardTSN{1, nil},
			after:  []written{data{tsn: 2, sid: 1, flags: whole | wire.FlagUnordered, payload: "next"}},
			want:   map[uint16][]string{1: {"next"}}, cum: 2,
		},
		{
			desc:   "the rest of a skipped message that comes later is dropped",
			before: []written{data{tsn: 0, sid: 1, ssn: 0, flags: wire.FlagBegin, payload: "be"}},
			f:      forwardTSN{1, nil},
			after: []written{
				data{tsn: 2, sid: 1, ssn: 0, payload: "g"}, data{tsn: 3, sid: 1, ssn: 0, flags: wire.FlagEnd, payload: "in"},
				data{tsn: 4, sid: 1, ssn: 1, flags: whole | wire.FlagUnordered, payload: "next"},
			},
			want: map[uint16][]string{1: {"next"}}, cum: 4,
		},
		{
			desc:   "a message begun behind it is kept",
			before: []written{data{tsn: 1, sid: 1, ssn: 0, flags: wire.FlagBegin, payload: "be"}},
			f:      forwardTSN{0, []wire.SkippedStream{{Stream: 2, SSN: 0}}},
			after:  []written{data{tsn: 2, sid: 1, ssn: 0, flags: wire.FlagEnd, payload: "gin"}},
			want:   map[uint16][]string{1: {"begin"}}, cum: 2,
		},
		{
			desc:  "a skipped TSN that comes later is a duplicate",
			f:     forwardTSN{0, []wire.SkippedStream{{Stream: 1, SSN: 0}}},
			after: []written{data{tsn: 0, sid: 1, ssn: 0, flags: whole, payload: "late"}},
			want:  map[uint16][]string{1: nil}, cum: 0,
		},
		{
			desc:   "a stream out of range is ignored",
			before: []written{data{tsn: 1, sid: 1, ssn: 0, flags: whole, payload: "a"}},
			f:      forwardTSN{0, []wire.SkippedStream{{Stream: 65535, SSN: 0}}},
			want:   map[uint16][]string{1: {"a"}}, cum: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newConnected(t, Config{})
			for _, w := range tt.before {
				tc.write(w)
			}
			tc.write(tt.f)
			for _, w := range tt.after {
				tc.write(w)
			}
			tc.advance(200 * time.Millisecond)
			for id, want := range tt.want {
				tc.wantRead("what remains", id, want...)
			}
			if got := tc.a.tsns.cum.Since(tc.peerTSN); got != tt.cum {
				t.Fatalf("cumulative TSN %d, want %d", got, tt.cum)
			}
			if s := tc.a.Stats(); s.ReceiveBuffered != 0 || tc.a.in.entries != 0 {
				t.Fatalf("%d bytes, %d entries held", s.ReceiveBuffered, tc.a.in.entries)
			}
		})
	}
}

// TestForwardTSNStale: it is answered with a SACK and changes nothing. // 3758-3.6-a
func TestForwardTSNStale(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, flags: whole, payload: "a"})
	tc.want("first DATA", "SACK cum=0")
	tc.write(forwardTSN{0, []wire.SkippedStream{{Stream: 0, SSN: 5}}})
	tc.want("our SACK was lost", "SACK cum=0")
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "b"})
	tc.wantRead("the SSN of a stale one does not count", 0, "a", "b")
}

// TestForwardTSNFarAway: a jump out of reach is not followed (CVE-2009-0065 class).
func TestForwardTSNFarAway(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(forwardTSN{1 << 30, nil})
	if got := tc.a.tsns.cum.Since(tc.peerTSN); got != -1 {
		t.Fatalf("cumulative TSN %d", got)
	}
}

// TestPartialDeliveryAborted: the reader of a message in pieces is told that it
// will not be completed, and what follows is not disturbed. // 3758-3.6-a 9260-6.9-a
func TestPartialDeliveryAborted(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 8192})
	tc.write(data{tsn: 0, flags: wire.FlagBegin, payload: string(payload(1000))})
	for i := 1; i < 5; i++ {
		tc.write(data{tsn: i, payload: string(payload(1000))})
	}
	s, info := tc.read(0)
	if len(s) == 0 || info.Complete {
		t.Fatalf("read %d bytes, %+v", len(s), info)
	}
	tc.write(forwardTSN{6, []wire.SkippedStream{{Stream: 0, SSN: 0}}})
	tc.write(data{tsn: 7, ssn: 1, flags: whole, payload: "next"})
	var buf [8192]byte
	if _, _, err := tc.a.Read(tc.now, 0, buf[:]); !errors.Is(err, ErrMessageAborted) {
		t.Fatalf("Read: %v", err)
	}
	tc.wantRead("the next message", 0, "next")
}
