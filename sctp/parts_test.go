package sctp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// sendMore goes on with a message in parts, or fails the test.
func (tc *testConn) sendMore(stream uint16, n int, more bool) {
	tc.t.Helper()
	if err := tc.a.SendMore(tc.now, stream, payload(n), more); err != nil {
		tc.t.Fatalf("SendMore: %v", err)
	}
	tc.drain()
}

// Parts are one message on the wire: one number, one beginning and one end, whatever is
// cut where. Without interleaving nothing comes between them.
func TestParts(t *testing.T) {
	tc := newConnected(t, Config{MaxBurst: 100})
	tc.send(Message{Stream: 1, PPID: 53, Payload: payload(1500), More: true})
	tc.want("begins", "DATA tsn=0 sid=1 ssn=0 flags=B ppid=53 len=1160")
	tc.want("goes on", "DATA tsn=1 sid=1 ssn=0 flags= ppid=53 len=340")
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.wantIdle("another stream waits for the end")
	tc.sendMore(1, 20, true)
	tc.want("another part", "DATA tsn=2 sid=1 ssn=0 flags= ppid=53 len=20")
	tc.write(sack{cum: 2})
	tc.wantIdle("though all is acknowledged")
	tc.sendMore(1, 30, false)
	tc.want("the end, and the other", "DATA tsn=3 sid=1 ssn=0 flags=E ppid=53 len=30", "DATA tsn=4 sid=2 ssn=0 flags=BE")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("the next message", "DATA tsn=5 sid=1 ssn=1 flags=BE")
	tc.write(sack{cum: 5})
	if s := tc.a.Stats(); s.SendBuffered != 0 || s.MessagesSent != 3 || tc.a.out.parted != 0 || tc.a.out.messages != 0 {
		t.Fatalf("%+v", s)
	}

	tc = newInterleaved(t, Config{MaxBurst: 100})
	tc.send(Message{Stream: 1, PPID: 53, Payload: payload(1500), More: true})
	tc.want("begins", "I-DATA tsn=0 sid=1 mid=0 fsn=0 flags=B ppid=53 len=1156")
	tc.want("goes on", "I-DATA tsn=1 sid=1 mid=0 fsn=1 flags= len=344")
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.want("another stream does not wait", "I-DATA tsn=2 sid=2 mid=0 fsn=0 flags=BE")
	tc.send(Message{Stream: 3, Payload: payload(10), Unordered: true, More: true})
	tc.sendMore(1, 20, true)
	tc.sendMore(1, 30, false)
	tc.sendMore(3, 10, false)
	tc.want("unordered", "I-DATA tsn=3 sid=3 mid=0 fsn=0 flags=UB")
	tc.want("a part", "I-DATA tsn=4 sid=1 mid=0 fsn=2 flags= len=20")
	tc.want("the end", "I-DATA tsn=5 sid=1 mid=0 fsn=3 flags=E len=30")
	tc.want("the end of the unordered one", "I-DATA tsn=6 sid=3 mid=0 fsn=1 flags=UE")
}

// What happens to a message in parts is told once, of the whole of it; its last chunk has
// the I bit (7053-5-a).
func TestPartsEvents(t *testing.T) {
	tc := newConnected(t, Config{InitialWindow: 1500})
	m := Message{Stream: 1, ID: 7, Immediate: true, Payload: payload(100), More: true}
	tc.send(m)
	tc.want("begins", "DATA tsn=0 sid=1 ssn=0 flags=B")
	tc.write(sack{cum: 0})
	tc.sendMore(1, 100, false)
	tc.want("ends", "DATA tsn=1 sid=1 ssn=0 flags=IE")
	tc.write(sack{cum: 1})
	tc.send(m)
	tc.want("another", "DATA tsn=2")
	tc.write(sack{cum: 2})
	tc.a.Cancel(tc.now, 1)
	tc.drain()
	tc.write(sack{cum: 3})
	tc.send(m)
	tc.sendMore(1, 5000, true)
	tc.a.Cancel(tc.now, 1)
	tc.drain()
	tc.sent = nil
	var got []EventKind
	for _, e := range tc.events {
		if e.Kind != EventBufferedAmountLow {
			if got = append(got, e.Kind); e.Message != 7 || e.Stream != 1 {
				t.Errorf("%+v", e)
			}
		}
	}
	if want := []EventKind{EventMessageSent, EventMessageDelivered, EventMessageAbandoned, EventMessageAbandoned}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A message in parts can also be finished where the buffer is smaller than what any message counts as.
func TestPartsInSmallestBuffer(t *testing.T) {
	for _, cfg := range []Config{{SendBuffer: 1}, {SendBuffer: 1, Frugal: true}, {SendBuffer: 300, Frugal: true}} {
		tc := newConnected(t, cfg)
		tc.send(Message{Stream: 1, Payload: payload(1), More: true})
		tc.want("begins", "DATA tsn=0 sid=1 ssn=0 flags=B")
		tc.write(sack{cum: 0})
		tc.send(Message{Stream: 2, Payload: payload(1)})
		tc.wantIdle("the other waits for the end")
		if err := tc.a.SendMore(tc.now, 1, payload(1), true); err != nil {
			t.Fatalf("%+v: %v", cfg, err)
		}
		tc.drain()
		tc.want("goes on", "DATA tsn=1 sid=1 ssn=0 flags=")
		tc.wantErr("the last part waits for room", tc.a.SendMore(tc.now, 1, payload(1), false), ErrSendBufferFull)
		tc.events = nil
		tc.write(sack{cum: 1})
		tc.wantEvent("there is room", EventWritable)
		tc.sendMore(1, 1, false)
		tc.write(sack{cum: 2})
		tc.want("the end, and the other", "DATA tsn=2 sid=1 ssn=0 flags=E", "DATA tsn=3 sid=2 ssn=0 flags=BE")
	}
}

// What waits behind a message in parts, which has to be finished first, does not keep its
// parts out of the buffer.
func TestPartsBehindWhichOthersWait(t *testing.T) {
	for _, frugal := range []bool{false, true} {
		tc := newConnected(t, Config{MaxBurst: 100, InitialWindow: 20000, SendBuffer: 8000, Frugal: frugal})
		tc.send(Message{Stream: 1, Payload: payload(1000), More: true})
		tc.want("begins", "DATA tsn=0 sid=1 ssn=0 flags=B")
		for err := error(nil); err == nil; {
			err = tc.a.Send(tc.now, Message{Stream: 2, Payload: payload(1000)})
		}
		tc.drain()
		tc.events = nil
		if err := tc.a.SendMore(tc.now, 1, payload(7500), true); err != ErrSendBufferFull {
			t.Fatalf("SendMore beside what is on its way: %v", err)
		}
		tc.write(sack{cum: 0})
		tc.wantEvent("there is room for it alone", EventWritable)
		if err := tc.a.Send(tc.now, Message{Stream: 2, Payload: payload(7500)}); err != ErrSendBufferFull {
			t.Fatalf("Send of another: %v", err)
		}
		tc.drain()
		tc.wantNoEvent("that waits")
		tc.sendMore(1, 7500, true)
		if err := tc.a.SendMore(tc.now, 1, payload(7500), true); err != ErrSendBufferFull {
			t.Fatalf("SendMore: %v", err)
		}
		n := len(tc.wantPackets("goes on", 7))
		tc.events = nil
		tc.write(sack{cum: n})
		tc.wantEvent("there is room once more", EventWritable)
		tc.sendMore(1, 10, false)
		tc.want("the end, and the others", fmt.Sprintf("DATA tsn=%d sid=1 ssn=0 flags=E", n+1), fmt.Sprintf("DATA tsn=%d sid=2 ssn=0 flags=BE", n+2))
		if s := tc.a.invariants(tc.now); s != "" {
			t.Fatal(s)
		}
	}
}

// A message that has not ended is given up as others are: FORWARD-TSN skips a TSN behind what
// was sent of it (3758-3.5-c). What waits for it goes on.
func TestPartsCancelled(t *testing.T) {
	for _, interleaved := range []bool{false, true} {
		tc, data, skip := newConnected(t, Config{MaxBurst: 100}), "DATA tsn=%d sid=%d ssn=%d", "FORWARD-TSN cum=%d streams=1:%d"
		if interleaved {
			tc, data, skip = newInterleaved(t, Config{MaxBurst: 100}), "I-DATA tsn=%d sid=%d mid=%d", "I-FORWARD-TSN cum=%d messages=1:%d"
		}
		tc.a.Cancel(tc.now, 1)
		tc.wantIdle("there is nothing to cancel")

		tc.send(Message{Stream: 1, Payload: payload(10), More: true})
		tc.want("begins", fmt.Sprintf(data, 0, 1, 0))
		tc.write(sack{cum: 0})
		tc.a.Cancel(tc.now, 1)
		tc.want("given up when all is acknowledged", fmt.Sprintf(skip, 1, 0))
		if err := tc.a.SendMore(tc.now, 1, payload(1), false); err != ErrNoMessage {
			t.Fatalf("SendMore: %v", err)
		}
		tc.write(sack{cum: 1})
		tc.send(Message{Stream: 1, Payload: payload(10)})
		tc.want("the next", fmt.Sprintf(data, 2, 1, 1))

		tc.send(Message{Stream: 1, Payload: payload(10), More: true})
		tc.want("begins", fmt.Sprintf(data, 3, 1, 2))
		if !interleaved {
			tc.send(Message{Stream: 2, Payload: payload(10)})
			tc.wantIdle("waits")
		}
		tc.a.Cancel(tc.now, 1)
		if interleaved {
			tc.wantIdle("what is outstanding stays reliable")
		} else {
			tc.want("what waited", fmt.Sprintf(data, 5, 2, 0))
			tc.write(sack{cum: 3})
			tc.want("given up", fmt.Sprintf(skip, 4, 2))
		}
	}
}

// Nothing is left of a message of which nothing was sent; of a part that was sent halfway
// the rest is given up.
func TestPartsCancelledInQueue(t *testing.T) {
	tc := newConnected(t, Config{InitialWindow: 1000})
	tc.send(Message{Stream: 1, Payload: payload(1160)})
	tc.want("fills the window", "DATA tsn=0 sid=1 ssn=0")
	tc.send(Message{Stream: 1, Payload: payload(5000), More: true})
	tc.sendMore(1, 5000, true)
	tc.a.Cancel(tc.now, 1)
	if tc.a.out.buffered != 1160 || tc.a.out.queued != 0 || tc.a.out.messages != 1 || tc.a.out.parted != 0 {
		t.Fatalf("%+v", tc.a.out)
	}
	tc.write(sack{cum: 0})
	tc.wantIdle("nothing of it")
	tc.send(Message{Stream: 1, Payload: payload(9000), More: true})
	tc.sendMore(1, 9000, true)
	n := len(tc.wantPackets("begins", 2))
	tc.a.Cancel(tc.now, 1)
	if tc.a.out.queued != 0 || tc.a.out.parted != 0 || tc.a.out.begun != nil {
		t.Fatalf("%+v", tc.a.out)
	}
	tc.write(sack{cum: n})
	tc.want("given up", fmt.Sprintf("FORWARD-TSN cum=%d streams=1:1", n+1))
	tc.write(sack{cum: n + 1})
	if tc.a.out.buffered != 0 || tc.a.out.messages != 0 || tc.a.sent.span() != 0 {
		t.Fatalf("%+v", tc.a.out)
	}
}

// Bad calls change nothing.
func TestPartsErrors(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 3000})
	for _, tt := range []struct {
		desc string
		err  error
		want error
	}{
		{"no message", tc.a.SendMore(tc.now, 1, payload(1), true), ErrNoMessage},
		{"a limit", tc.a.Send(tc.now, Message{Payload: payload(1), More: true, Reliability: rexmit(1)}), ErrReliability},
		{"begins", tc.a.Send(tc.now, Message{Stream: 1, Payload: payload(1), More: true}), nil},
		{"another on the stream", tc.a.Send(tc.now, Message{Stream: 1, Payload: payload(1)}), ErrMessageOpen},
		{"empty", tc.a.SendMore(tc.now, 1, nil, false), ErrEmptyMessage},
		{"full", tc.a.SendMore(tc.now, 1, payload(3000), false), ErrSendBufferFull},
		{"association reset", tc.a.ResetAssociation(tc.now), ErrMessageOpen},
	} {
		if tt.err != tt.want {
			t.Errorf("%s: %v, want %v", tt.desc, tt.err, tt.want)
		}
	}
	if tc.a.HandoverObstacles()&ObstacleSending == 0 {
		t.Error("it could be handed over")
	}
	tc.a.Abort(tc.now, "")
	if err := tc.a.SendMore(tc.now, 1, payload(1), true); err != ErrClosed {
		t.Error(err)
	}
	tc.a.Cancel(tc.now, 1)

	tc = newTestConn(t, Config{})
	tc.peerParams = func(b []byte, _ int) []byte { return b }
	if err := tc.a.SendMore(tc.now, 1, payload(1), true); err != ErrNotConnected {
		t.Error(err)
	}
	tc.connect()
	tc.wantErr("a peer without partial reliability", tc.a.Send(tc.now, Message{Payload: payload(1), More: true}), ErrNotSupported)
}

// Shutting down, from either side, and resetting the stream give up what has not ended.
func TestPartsEnd(t *testing.T) {
	begin := func() *testConn {
		tc := newConnected(t, Config{MaxBurst: 100})
		tc.send(Message{Stream: 1, Payload: payload(10), More: true})
		tc.want("begins", "DATA tsn=0 sid=1 ssn=0 flags=B")
		tc.write(sack{cum: 0})
		return tc
	}
	tc := begin()
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("given up", "FORWARD-TSN cum=1 streams=1:0")
	tc.write(sack{cum: 1})
	tc.want("then the end", "SHUTDOWN")

	tc = begin()
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("given up", "FORWARD-TSN cum=1 streams=1:0")
	tc.write(sack{cum: 1})
	tc.want("then the reset", "RE-CONFIG")
	if err := tc.a.SendMore(tc.now, 1, payload(1), true); err != ErrNoMessage {
		t.Error(err)
	}

	tc = begin()
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.wantIdle("waits")
	tc.write(shutdownChunk{cum: 0})
	tc.want("what waited, and the end of it", "FORWARD-TSN cum=1 streams=1:0", "DATA tsn=2 sid=2")
	if err := tc.a.SendMore(tc.now, 1, payload(1), true); err != ErrShuttingDown {
		t.Error(err)
	}
}

// Borrow hands out what came in where it lies, and Return takes it back; DeliverParts has
// messages read before they end.
func TestBorrow(t *testing.T) {
	tc := newConnected(t, Config{})
	if l, _, err := tc.a.Borrow(tc.now, 1); err != ErrWouldBlock || l.Bytes() != nil {
		t.Fatal(err)
	} else {
		tc.a.Return(l) // which is nothing
	}
	borrow := func(stream uint16, want string, complete bool) {
		t.Helper()
		l, info, err := tc.a.Borrow(tc.now, stream)
		if err != nil || string(l.Bytes()) != want || info.Size != len(want) || info.Complete != complete {
			t.Fatalf("%q, %+v, %v, want %q", l.Bytes(), info, err, want)
		}
		tc.a.Return(l)
		tc.drain()
	}
	tc.write(data{tsn: 0, sid: 1, flags: wire.FlagBegin, ppid: 53, payload: "one"}, data{tsn: 1, sid: 1, payload: "two"}, data{tsn: 2, sid: 1, flags: wire.FlagEnd, payload: "three"})
	var buf [2]byte
	if n, info, err := tc.a.Read(tc.now, 1, buf[:]); n != 2 || info.Complete || err != nil {
		t.Fatal(n, info, err)
	}
	borrow(1, "e", false)
	borrow(1, "two", false)
	borrow(1, "three", true)
	if tc.a.in.bytes != 0 || tc.a.in.entries != 0 {
		t.Fatalf("%d bytes in %d chunks are held", tc.a.in.bytes, tc.a.in.entries)
	}
	if _, _, err := tc.a.Borrow(tc.now, 1); err != ErrWouldBlock {
		t.Fatal(err)
	}
	tc.events = nil

	tc.write(data{tsn: 3, sid: 1, ssn: 1, flags: wire.FlagBegin, ppid: 53, payload: "begins"})
	tc.wantNoEvent("the rest is missing")
	tc.a.DeliverParts(1, true)
	tc.wantEvent("it may be read", EventReadable)
	borrow(1, "begins", false)
	if _, _, err := tc.a.Borrow(tc.now, 1); err != ErrWouldBlock {
		t.Fatal(err)
	}
	tc.write(data{tsn: 4, sid: 1, ssn: 1, payload: "more"})
	tc.wantEvent("goes on", EventReadable)
	borrow(1, "more", false)
	tc.write(forwardTSN{cum: 5, streams: []wire.SkippedStream{{Stream: 1, SSN: 1}}})
	if _, _, err := tc.a.Borrow(tc.now, 1); err != ErrMessageAborted {
		t.Fatal(err)
	}
	l, _, err := tc.a.Borrow(tc.now, 1)
	if err != ErrWouldBlock || l.Bytes() != nil {
		t.Fatal(err)
	}
	tc.a.Return(l) // which is nothing

	tc.write(tc.outReset(0, 5, 1))
	if _, _, err := tc.a.Borrow(tc.now, 1); err != io.EOF {
		t.Fatal(err)
	}
	tc.events = nil
	tc.write(data{tsn: 6, sid: 1, ssn: 0, flags: wire.FlagBegin, ppid: 53, payload: "anew"})
	tc.wantNoEvent("after a reset messages are read whole again")
	tc.write(data{tsn: 7, sid: 1, ssn: 0, flags: wire.FlagEnd, ppid: 53, payload: "!"})
	tc.wantRead("whole", 1, "anew!")
}

// EventWritable tells once of a part that was refused, whatever the room is due to.
func TestPartsWritableOnce(t *testing.T) {
	tc := newConnected(t, Config{MaxBurst: 100, InitialWindow: 20000, SendBuffer: 8000})
	tc.send(Message{Stream: 1, Payload: payload(1000), More: true})
	tc.sendMore(1, 5000, true)
	n := len(tc.sent)
	tc.sent = nil
	tc.wantErr("full", tc.a.SendMore(tc.now, 1, payload(3000), true), ErrSendBufferFull)
	tc.events = nil
	tc.write(sack{cum: n - 1})
	tc.wantEvent("there is room", EventWritable)
	tc.events = nil
	tc.send(Message{Stream: 2, Payload: payload(100)})
	tc.wantNoEvent("which was told")
}

// A partsRun is a sender of messages, whole and in parts, over a bad network, and an oracle at
// the other end.
type partsRun struct {
	t      *testing.T
	rng    *rand.Rand
	now    time.Time
	a, b   *Association
	air    []inFlight
	open   map[uint16]*partsMessage // by stream
	next   uint32                   // PPID, which names a message
	sent   map[uint32]*partsMessage // those that have ended
	got    map[uint16][]byte        // the beginning of the message that a stream delivers
	closed int
}

type inFlight struct {
	at   time.Time
	to   *Association
	data []byte
}

type partsMessage struct {
	ppid      uint32
	unordered bool
	data      []byte
}

// Messages in parts arrive whole and in order, or not at all if they were given up, among others
// and whatever the network does.
func TestPartsOverBadNetwork(t *testing.T) {
	for seed := range uint64(60) {
		r := &partsRun{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0),
			open: map[uint16]*partsMessage{}, sent: map[uint32]*partsMessage{}, got: map[uint16][]byte{}}
		cfg := Config{SendBuffer: 1 << r.rng.IntN(18), ReceiveBuffer: 4096 << r.rng.IntN(5), NoInterleaving: seed%2 == 0, Seed: [32]byte{1, byte(seed)}, Scheduler: Scheduler(seed % 6)}
		r.a, _ = New(cfg)
		cfg.Seed[0] = 2
		r.b, _ = New(cfg)
		if err := r.a.Connect(r.now); err != nil {
			t.Fatal(err)
		}
		r.step(func() bool { return r.a.State() == Established })
		for range 300 {
			r.act()
			for range r.rng.IntN(3) {
				r.pass()
			}
		}
		for stream := range r.open {
			r.a.Cancel(r.now, stream)
		}
		if err := r.a.Shutdown(r.now); err != nil {
			t.Fatal(err)
		}
		r.step(func() bool { return r.closed == 2 })
		if len(r.sent) > 0 || r.a.out.buffered != 0 {
			t.Fatalf("seed %d: %d messages did not arrive", seed, len(r.sent))
		}
	}
}

// act does one thing that an application may do.
func (r *partsRun) act() {
	stream := uint16(r.rng.IntN(4))
	data := make([]byte, 1+r.rng.IntN(1<<r.rng.IntN(13)))
	for i := range data {
		data[i] = byte(r.rng.Uint32())
	}
	m := r.open[stream]
	switch dice := r.rng.IntN(20); {
	case m == nil:
		r.next++
		m = &partsMessage{ppid: r.next, unordered: dice%2 == 0, data: data}
		more := dice < 12
		err := r.a.SendCopy(r.now, Message{Stream: stream, PPID: m.ppid, Unordered: m.unordered, Payload: data, More: more})
		switch {
		case errors.Is(err, ErrSendBufferFull):
		case err != nil:
			r.t.Fatal(err)
		case more:
			r.open[stream] = m
		default:
			r.sent[m.ppid] = m
		}
	case dice == 0:
		r.a.Cancel(r.now, stream)
		delete(r.open, stream)
	default:
		err := r.a.SendMore(r.now, stream, data, dice > 6)
		if errors.Is(err, ErrSendBufferFull) {
			return
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if m.data = append(m.data, data...); dice <= 6 {
			delete(r.open, stream)
			r.sent[m.ppid] = m
		}
	}
}

// step lets time pass until something is the case.
func (r *partsRun) step(until func() bool) {
	r.t.Helper()
	for range 1_000_000 {
		if r.pass(); until() {
			return
		}
	}
	r.t.Fatalf("it does not come to an end: %d in the air, %+v", len(r.air), r.a.Stats())
}

// pass lets a millisecond pass.
func (r *partsRun) pass() {
	r.now = r.now.Add(time.Millisecond)
	var later []inFlight
	for _, f := range r.air {
		if f.at.After(r.now) {
			later = append(later, f)
		} else {
			f.to.HandlePacket(r.now, 0, f.data)
		}
	}
	r.air = later
	for i, x := range []*Association{r.a, r.b} {
		if at, on := x.Timeout(); on && !at.After(r.now) {
			x.HandleTimeout(r.now)
		}
		for e, ok := x.NextEvent(); ok; e, ok = x.NextEvent() {
			switch {
			case e.Kind == EventClosed && e.Err != nil:
				r.t.Fatal(e.Err)
			case e.Kind == EventClosed:
				r.closed++
			case e.Kind == EventReadable && i == 1:
				r.read(e.Stream)
			}
		}
		for tx, ok := x.Transmit(r.now, nil); ok; tx, ok = x.Transmit(r.now, nil) {
			if r.rng.IntN(20) > 0 {
				delay := time.Duration(1+r.rng.IntN(20)) * time.Millisecond
				r.air = append(r.air, inFlight{r.now.Add(delay), []*Association{r.b, r.a}[i], bytes.Clone(tx.Packet)})
			}
		}
		if bad := x.invariants(r.now); bad != "" {
			r.t.Fatal(bad)
		}
	}
}

// read compares what came on a stream.
func (r *partsRun) read(stream uint16) {
	for {
		n, info, data, err := 0, MessageInfo{}, make([]byte, 1+r.rng.IntN(5000)), error(nil)
		if r.rng.IntN(2) == 0 {
			var l Loan
			if l, info, err = r.b.Borrow(r.now, stream); err == nil {
				n, data = info.Size, bytes.Clone(l.Bytes())
				r.b.Return(l)
			}
		} else {
			n, info, err = r.b.Read(r.now, stream, data)
		}
		switch {
		case err == ErrMessageAborted:
			delete(r.got, stream)
			continue
		case err == io.EOF:
			r.t.Fatal("nobody reset a stream")
		case err != nil:
			return
		}
		r.got[stream] = append(r.got[stream], data[:n]...)
		if !info.Complete {
			continue
		}
		m := r.sent[info.PPID]
		if m == nil || !bytes.Equal(m.data, r.got[stream]) || m.unordered != info.Unordered {
			r.t.Fatalf("message %d: %d bytes that nobody sent so", info.PPID, len(r.got[stream]))
		}
		delete(r.sent, info.PPID)
		delete(r.got, stream)
	}
}

// What DeliverParts has set ends with the reset of the stream by the peer.
func TestDeliverPartsEnds(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.a.DeliverParts(1, true)
	tc.write(data{tsn: 0, sid: 1, flags: wire.FlagBegin | wire.FlagEnd, ppid: 53, payload: "whole"}, tc.outReset(0, 0, 1))
	var buf [10]byte
	for _, want := range []error{nil, io.EOF} {
		if _, _, err := tc.a.Read(tc.now, 1, buf[:]); err != want {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	tc.write(data{tsn: 1, sid: 1, flags: wire.FlagBegin, ppid: 53, payload: "begins"})
	if _, _, err := tc.a.Read(tc.now, 1, buf[:]); err != ErrWouldBlock {
		t.Fatalf("the beginning of a message of the next use is read: %v", err)
	}
}

// So many messages may be open at a time that what is sent beside them is not slowed down by the TSNs kept for
// giving them up, and no more.
func TestPartsTooMany(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 16 << 20, InitialWindow: 1 << 20})
	begin := func(stream uint16) error {
		return tc.a.Send(tc.now, Message{Stream: stream, Payload: payload(1), More: true})
	}
	for i := range uint16(maxParted) {
		if err := begin(i); err != nil {
			t.Fatal(err)
		}
	}
	before := tc.a.Stats()
	if err := begin(maxParted); err != ErrTooManyOpen {
		t.Fatalf("one more: %v", err)
	}
	if now := tc.a.Stats(); now != before {
		t.Errorf("%+v, and before %+v", now, before)
	}
	if err := tc.a.SendMore(tc.now, 5, payload(1), false); err != nil {
		t.Fatal(err)
	}
	tc.a.Cancel(tc.now, 7)
	if err := begin(maxParted); err != nil {
		t.Errorf("after one was given up: %v", err)
	}
}
