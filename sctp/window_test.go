package sctp

import (
	"math"
	"testing"
	"time"
)

// TestWindowCloses as the application does not read, and its opening is told at
// once (PIONS-17). // 9260-6.2-d
func TestWindowCloses(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 8000})
	tc.write(data{tsn: 0, flags: whole, payload: string(payload(1000))})
	tc.want("what is not read counts", "SACK cum=0 gaps= dups= rwnd=7000")
	for i := 1; i < 8; i++ {
		tc.write(data{tsn: i, flags: whole, sid: uint16(i), payload: string(payload(1000))})
	}
	tc.advance(200 * time.Millisecond)
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.want("full", "SACK cum=7 gaps= dups= rwnd=0")
	tc.write(data{tsn: 8, flags: whole, sid: 9, payload: "x"})
	tc.want("dropped, not reported, answered at once", "SACK cum=7 gaps= dups= rwnd=0") // 9260-6.2-c
	tc.read(0)
	tc.wantIdle("an eighth is too little to tell")
	if tc.a.WindowDue() {
		t.Error("a SACK is due for an eighth")
	}
	if n, _, err := tc.a.Read(tc.now, 1, make([]byte, 1000)); n != 1000 || err != nil || !tc.a.WindowDue() {
		t.Errorf("%d bytes read, %v; a SACK is due: %v", n, err, tc.a.WindowDue())
	}
	tc.drain()
	tc.want("a quarter is told at once", "SACK cum=7 gaps= dups= rwnd=2000")
	if tc.a.WindowDue() {
		t.Error("a SACK is due for what was told")
	}
	tc.write(data{tsn: 8, flags: whole, sid: 9, payload: "x"})
	tc.wantRead("taken now", 9, "x")
}

// TestWindowFullGap: a chunk that fills a gap is taken though the window is full;
// what is beyond all that came in gives way to it. // 9260-6.2-c DCSCTP-limits
func TestWindowFullGap(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 4096})
	for i := 1; i < 9; i++ {
		tc.write(data{tsn: 3 * i, sid: uint16(i), payload: string(payload(1000))})
	}
	if n := tc.a.in.entries; n != 5 {
		t.Fatalf("%d chunks taken", n)
	}
	tc.sent = nil
	for i := range 14 { // fills gaps with what cannot be delivered either
		tc.write(data{tsn: 3*(i/4) + 1 + i%2, sid: 100 + uint16(i), payload: string(payload(1000))})
	}
	if held := tc.a.in.held(); held > 2*4096+1000 {
		t.Fatalf("%d bytes held", held)
	}
	tc.write(data{tsn: 0, sid: 50, flags: whole, payload: "the next"})
	tc.wantRead("what adjoins the cumulative TSN always gets through", 50, "the next")
}

// TestZeroWindowProbe: one chunk when nothing is outstanding, after an RTO and then
// with backoff; while it is answered the peer is not given up; once the window
// opens, data flows at once. // 9260-6.1-a 9260-6.2.1-a
func TestZeroWindowProbe(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(100)})
	tc.want("open", "DATA tsn=0")
	tc.write(sack{cum: 0, closed: true})
	for range 3 {
		tc.send(Message{Payload: payload(100)})
	}
	tc.wantIdle("closed")
	if d := tc.advanceToTimer(); d != time.Second {
		t.Fatalf("probed after %v", d)
	}
	tc.want("one chunk", "DATA tsn=1")
	tc.write(sack{cum: 0, closed: true})
	for i := range 30 {
		if d := tc.advanceToTimer(); d != min(2*time.Second<<i, time.Minute) && i < 5 {
			t.Fatalf("probe %d after %v", i, d)
		}
		tc.want("the same again", "DATA tsn=1")
		tc.write(sack{cum: 0, closed: true})
	}
	if s := tc.a.Stats(); s.CongestionWindow < 4404 || s.Timeouts != 0 {
		t.Fatalf("probing is no congestion: %+v", s)
	}
	tc.write(sack{cum: 0, window: 10_000})
	tc.want("the window opened", "DATA tsn=1", "DATA tsn=2", "DATA tsn=3")
	tc.write(sack{cum: 3})
	tc.wantIdle("done")
	if tc.a.paths.primary().t3.on() {
		t.Fatal("T3-rtx runs")
	}
}

// TestZeroWindowSilence: probes that are not answered are errors. // 9260-6.1-a
func TestZeroWindowSilence(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxRetransmits: 3})
	tc.send(Message{Payload: payload(100)})
	tc.write(sack{cum: 0, closed: true})
	tc.send(Message{Payload: payload(100)})
	n := 0
	for !tc.a.ended {
		tc.advanceToTimer()
		if n++; n > 10 {
			t.Fatal("never given up")
		}
	}
}

// TestZeroWindowForwardSilence: so is a FORWARD-TSN that nobody answers, where all that was sent
// was given up. // 9260-8.1-a 3758-3.5-b
func TestZeroWindowForwardSilence(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxRetransmits: 3})
	tc.send(Message{Payload: payload(100)})
	tc.send(Message{Payload: payload(100), Reliability: rexmit(0)})
	tc.write(sack{cum: 0, closed: true})
	tc.sent = nil
	n := 0
	for !tc.a.ended {
		tc.advanceToTimer()
		if n++; n > 10 {
			t.Fatalf("never given up: %q", tc.describePacket(tc.sent[len(tc.sent)-1]))
		}
	}
}

// TestZeroWindowExpired: probing ends with what was to be sent.
func TestZeroWindowExpired(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(100)})
	tc.want("open", "DATA tsn=0")
	tc.write(sack{cum: 0, closed: true})
	tc.send(Message{Payload: payload(100), Reliability: lifetime(100 * time.Millisecond)})
	tc.advance(time.Hour)
	tc.wantIdle("it expired")
	if _, ok := tc.a.Timeout(); ok || tc.a.State() != Established {
		t.Fatal("a timer runs, or the peer was given up")
	}
}

// TestPeerWindow: no more is sent than the peer takes, and a small rest of its
// window is not used up in small pieces. // 9260-6.1-a
func TestPeerWindow(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.peerWindow = 3000
	tc.connect()
	tc.send(Message{Payload: payload(10_000)})
	tc.want("first", "DATA tsn=0 sid=0 ssn=0 flags=B ppid=0 len=1160")
	tc.want("second", "DATA tsn=1 sid=0 ssn=0 flags= ppid=0 len=1160")
	tc.wantIdle("680 bytes are left, too little for a full chunk")
	if w := tc.a.Stats().PeerWindow; w != 680 {
		t.Fatalf("window %d", w)
	}
	tc.write(sack{cum: 0, window: 3000}) // 3000 less 1160 outstanding
	tc.want("one more", "DATA tsn=2")
	tc.wantIdle("and no other")
}

// TestWindowUpdateStorm: window updates beyond number cause no packets.
func TestWindowUpdateStorm(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(100)})
	tc.want("DATA", "DATA tsn=0")
	for i := range 1000 {
		tc.write(sack{cum: -1, window: uint32(1 + i%2*100_000)})
	}
	tc.wantIdle("not a packet")
}

// TestWindowLargest: with the largest receive buffer of an int of 32 bits, 1 GiB, what fills
// gaps is taken as with any other, and no more.
func TestWindowLargest(t *testing.T) {
	const limit = math.MaxInt/2 + 1
	in := inbound{limit: limit}
	if !in.admits(1000, true, false) || !in.admitsNext() {
		t.Error("an empty buffer takes nothing")
	}
	for _, limit := range []int{4096, 4097, 1 << 20} {
		in = inbound{limit: limit, bytes: 2*limit - 1}
		if !in.admits(1, true, false) {
			t.Errorf("%d of %d: a gap is not filled", in.bytes, limit)
		}
		if in.bytes++; in.admits(1, true, false) {
			t.Errorf("%d of %d: a gap is filled", in.bytes, limit)
		}
		if in.bytes += 1<<16 - 1; !in.admitsNext() {
			t.Errorf("%d of %d: the next chunk is refused", in.bytes, limit)
		}
		if in.bytes++; in.admitsNext() {
			t.Errorf("%d of %d: the next chunk is taken", in.bytes, limit)
		}
	}
}
