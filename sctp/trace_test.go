package sctp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// recorder writes down a trace, a line for each event; packets by their first chunk.
type recorder struct {
	start time.Time
	lines []string
	tags  []uint32
}

func (r *recorder) Trace(e TraceEvent) {
	var s string
	chunk := func() string {
		if p, err := wire.ParsePacket(e.Packet); err == nil {
			it := p.Chunks()
			if c, ok := it.Next(); ok {
				return c.Type().String()
			}
		}
		return fmt.Sprintf("%d bytes", len(e.Packet))
	}
	switch e.Kind {
	case TracePacketSent:
		s = "sent " + chunk()
	case TracePacketReceived:
		s = "received " + chunk()
	case TracePacketDropped:
		s = fmt.Sprintf("dropped %s: %v", chunk(), e.Reason)
	case TraceState:
		s = fmt.Sprintf("%v -> %v", e.Before, e.State)
	case TraceMetrics:
		s = fmt.Sprintf("cwnd %d rto %v", e.Metrics.CongestionWindow, e.Metrics.RTO)
	case TraceRecovery:
		s = fmt.Sprintf("recovery %v", e.On)
	case TraceLost:
		s = fmt.Sprintf("lost %d of %d", e.TSN, e.Stream)
	case TraceRetransmit:
		s = fmt.Sprintf("again %d of %d, time %d", e.TSN, e.Stream, e.Count)
	case TraceDataDropped:
		s = fmt.Sprintf("refused %d of %d: %v", e.TSN, e.Stream, e.Reason)
	case TraceAbandoned:
		s = fmt.Sprintf("abandoned %d of %d: %v, begun %v", e.Message, e.Stream, e.Reason, e.On)
	case TraceTimer:
		s = fmt.Sprintf("timer %v", e.Timer)
	case TraceNotify:
		s = fmt.Sprintf("event %d of %d", e.Event.Kind, e.Event.Stream)
	}
	r.lines = append(r.lines, fmt.Sprintf("%v %s", e.Time.Sub(r.start), s))
	r.tags = append(r.tags, e.Tag)
}

// want wants these lines to be next in the trace; TSNs in them count from 0.
func (r *recorder) want(t *testing.T, why string, lines ...string) {
	t.Helper()
	if !slices.Equal(r.lines, lines) {
		t.Fatalf("%s:\n%s\nwant:\n%s", why, strings.Join(r.lines, "\n"), strings.Join(lines, "\n"))
	}
	r.lines = nil
}

// newTraced is newConnected with a recorder, which has what happened until then.
func newTraced(t *testing.T, cfg Config) (*testConn, *recorder) {
	r := &recorder{start: time.Unix(1_000_000, 0)}
	cfg.Trace = r
	return newConnected(t, cfg), r
}

// TestTraceHandshake: packets, states and events, in their order.
func TestTraceHandshake(t *testing.T) {
	tc, r := newTraced(t, Config{})
	r.want(t, "handshake",
		"0s sent INIT", "0s CLOSED -> COOKIE-WAIT", "0s cwnd 4404 rto 1s",
		"0s received INIT ACK", "0s COOKIE-WAIT -> COOKIE-ECHOED", "0s sent COOKIE ECHO",
		"0s received COOKIE ACK", "0s COOKIE-ECHOED -> ESTABLISHED", "0s event 1 of 0",
	)
	for _, tag := range r.tags {
		if tag != tc.localTag {
			t.Fatalf("tag %x, want %x", tag, tc.localTag)
		}
	}
	tc.a.Abort(tc.now, "enough")
	tc.drain()
	r.want(t, "abort", "0s ESTABLISHED -> CLOSED", fmt.Sprintf("0s event %d of 0", EventClosed), "0s sent ABORT")
}

// TestTraceLoss: losses by misses and by timer, retransmissions, and what is given up.
func TestTraceLoss(t *testing.T) {
	tc, r := newTraced(t, Config{HeartbeatInterval: -1, LossDetection: MissIndications})
	first := uint32(tc.localTSN)
	for i := range 4 {
		tc.send(Message{Stream: uint16(i), Payload: payload(1000), Reliability: rexmit(1)})
	}
	r.lines = nil
	tc.now = tc.now.Add(10 * time.Millisecond)
	for i := range 3 {
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: uint16(2 + i)}}})
	}
	var got []string
	for _, l := range r.lines {
		if !strings.Contains(l, "cwnd") {
			got = append(got, l)
		}
	}
	r.lines = got
	r.want(t, "the third miss",
		"10ms received SACK", "10ms received SACK", "10ms received SACK",
		fmt.Sprintf("10ms lost %d of 0", first), "10ms recovery true",
		fmt.Sprintf("10ms again %d of 0, time 1", first), "10ms sent DATA")
	tc.advanceToTimer()
	if s := strings.Join(r.lines, "\n"); !strings.Contains(s, "timer T3-rtx\n") || !strings.Contains(s, "lost") ||
		!strings.Contains(s, "abandoned 0 of 0: retransmits, begun true") || !strings.Contains(s, "sent FORWARD-TSN") {
		t.Fatal(s)
	}
}

// TestTraceDrops: packets and chunks that are not taken, each with the reason.
func TestTraceDrops(t *testing.T) {
	tc, r := newTraced(t, Config{HeartbeatInterval: -1, InboundStreams: 10})
	tsn := uint32(tc.peerTSN)
	r.lines = nil
	tc.writeRaw([]byte("no packet"))
	r.want(t, "malformed", "0s received 9 bytes", "0s dropped 9 bytes: malformed")
	b := wire.AppendHeader(nil, 1, 2, tc.localTag)
	b = wire.AppendChunk(b, wire.TypeCookieAck, 0, nil)
	tc.writeRaw(b)
	r.want(t, "ports", "0s received COOKIE ACK", "0s dropped COOKIE ACK: port")
	b = wire.AppendHeader(nil, 5000, 5000, tc.localTag)
	tc.writeRaw(wire.AppendChunk(b, wire.TypeCookieAck, 0, nil))
	r.want(t, "checksum", "0s received COOKIE ACK", "0s dropped COOKIE ACK: checksum")
	tc.writeTag(tc.localTag+1, chunk{t: wire.TypeCookieAck})
	r.want(t, "tag", "0s received COOKIE ACK", "0s dropped COOKIE ACK: tag")
	d := data{tsn: 0, flags: whole, payload: "x"}
	tc.write(d, d, data{tsn: 1, sid: 10, flags: whole, payload: "x"})
	r.want(t, "chunks", "0s received DATA", fmt.Sprintf("0s refused %d of 0: duplicate", tsn),
		fmt.Sprintf("0s refused %d of 10: invalid-stream", tsn+1), fmt.Sprintf("0s event %d of 0", EventReadable), "0s sent ERROR")
}

// TestTraceExpiry: messages that are given up unsent.
func TestTraceExpiry(t *testing.T) {
	tc, r := newTraced(t, Config{SendBuffer: 1000, HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(10)})
	tc.write(sack{cum: 0, closed: true})
	tc.send(Message{ID: 7, Stream: 2, Payload: payload(500), Reliability: lifetime(5 * time.Millisecond)})
	tc.send(Message{ID: 8, Stream: 3, Payload: payload(400), Reliability: priority(5)})
	r.lines = nil
	tc.send(Message{Stream: 1, Payload: payload(200), Reliability: priority(1)})
	r.want(t, "it gives way", "0s abandoned 8 of 3: priority, begun false", fmt.Sprintf("0s event %d of 3", EventMessageAbandoned),
		fmt.Sprintf("0s event %d of 3", EventBufferedAmountLow))
	tc.advanceToTimer()
	r.want(t, "it expires", "5.000001ms timer lifetime", "5.000001ms abandoned 7 of 2: lifetime, begun false",
		fmt.Sprintf("5.000001ms event %d of 2", EventMessageAbandoned), fmt.Sprintf("5.000001ms event %d of 2", EventBufferedAmountLow))
}

// TestTraceEndpoint: packets that belong to no association are in the trace, too.
func TestTraceEndpoint(t *testing.T) {
	r := &recorder{start: time.Unix(1_000_000, 0)}
	ep, err := NewEndpoint(EndpointConfig{Config: Config{Seed: [32]byte{1}, Trace: r}})
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddrPort("192.0.2.1:9899")
	ep.HandlePacket(r.start, from, []byte("no packet"))
	b := wire.AppendHeader(nil, 5000, 5000, 0)
	n := len(b)
	b = wire.EndChunk(wire.BeginInit(b, wire.TypeInit, wire.Init{Tag: 5, ARwnd: 5000, OutStreams: 1, InStreams: 1}), n)
	wire.SetChecksum(b)
	ep.HandlePacket(r.start, from, b)
	for ok := true; ok; _, ok = ep.Transmit(r.start, nil) {
	}
	r.want(t, "nobody listens", "0s received 9 bytes", "0s dropped 9 bytes: malformed",
		"0s received INIT", "0s dropped INIT: refused", "0s sent ABORT")
	if slices.Max(r.tags) != 0 {
		t.Fatal("an association is named")
	}
}

// counting is a Tracer that costs nothing.
type counting struct{ kinds [TraceNotify + 1]int }

func (c *counting) Trace(e TraceEvent) { c.kinds[e.Kind]++ }

// TestTraceAllocs: a trace to a cheap Tracer allocates nothing.
func TestTraceAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	c := new(counting)
	p := newPipe(t, Config{HeartbeatInterval: -1, Trace: c})
	payload := make([]byte, 3000)
	round := func() {
		for range 16 {
			if err := p.a.Send(p.now, Message{ID: 1, Payload: payload}); err != nil {
				t.Fatal(err)
			}
		}
		p.run()
		p.settle()
	}
	for range 20 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for 16 messages", n)
	}
	if c.kinds[TracePacketSent] == 0 || c.kinds[TracePacketSent] != c.kinds[TracePacketReceived] || c.kinds[TraceNotify] == 0 {
		t.Errorf("%v", c.kinds)
	}
}

// TestNames: whatever a trace may name has a name.
func TestNames(t *testing.T) {
	for k := EventConnected; k <= EventClosed; k++ {
		if s := k.String(); s == "" || strings.HasPrefix(s, "event ") {
			t.Errorf("event %d has no name", k)
		}
	}
	for r := ReasonMalformed; r <= ReasonPriority; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	for k := TimerT1; int(k) < len(timerNames); k++ {
		if k.String() == "" {
			t.Errorf("timer %d has no name", k)
		}
	}
	if EventKind(200).String() != "event 200" {
		t.Error(EventKind(200).String())
	}
}
