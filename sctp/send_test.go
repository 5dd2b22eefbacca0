package sctp

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestFragments cuts messages to packets, and packs what is small. // 9260-3.3.1-b 9260-6.9-a 9260-6.10-a 9260-1.3-a
func TestFragments(t *testing.T) {
	const most = 1188 - 12 - 16
	tests := []struct {
		desc     string
		messages []Message
		want     [][]string
	}{
		{"the largest whole message", []Message{{Payload: payload(most)}}, [][]string{{"DATA tsn=0 sid=0 ssn=0 flags=BE ppid=0 len=1160"}}},
		{"one byte more", []Message{{Payload: payload(most + 1)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0 flags=B ppid=0 len=1160"}, {"DATA tsn=1 sid=0 ssn=0 flags=E ppid=0 len=1"},
		}},
		{"three fragments", []Message{{Stream: 7, PPID: 53, Payload: payload(2*most + 10)}}, [][]string{
			{"DATA tsn=0 sid=7 ssn=0 flags=B ppid=53 len=1160"}, {"DATA tsn=1 sid=7 ssn=0 flags= ppid=53 len=1160"}, {"DATA tsn=2 sid=7 ssn=0 flags=E ppid=53 len=10"},
		}},
		{"every fragment of an unordered message says so", []Message{{Unordered: true, Payload: payload(most + 4)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0 flags=UB"}, {"DATA tsn=1 sid=0 ssn=0 flags=UE"},
		}},
		{"small messages share a packet", []Message{{Payload: payload(5)}, {Stream: 1, Payload: payload(5)}, {Payload: payload(5)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0", "DATA tsn=1 sid=1 ssn=0", "DATA tsn=2 sid=0 ssn=1"},
		}},
		{"streams take turns, message by message", []Message{{Payload: payload(4)}, {Payload: payload(4)}, {Stream: 1, Payload: payload(4)}, {Stream: 2, Payload: payload(4)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0", "DATA tsn=1 sid=1 ssn=0", "DATA tsn=2 sid=2 ssn=0", "DATA tsn=3 sid=0 ssn=1"},
		}},
		{"a fragment fills what another message left of a packet", []Message{{Payload: payload(600)}, {Stream: 1, Payload: payload(900)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0 flags=BE ppid=0 len=600", "DATA tsn=1 sid=1 ssn=0 flags=B ppid=0 len=544"}, {"DATA tsn=2 sid=1 ssn=0 flags=E ppid=0 len=356"},
		}},
		{"but not a tiny one", []Message{{Payload: payload(900)}, {Stream: 1, Payload: payload(1000)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0 flags=BE ppid=0 len=900"}, {"DATA tsn=1 sid=1 ssn=0 flags=BE ppid=0 len=1000"},
		}},
		{"unordered messages take no number", []Message{{Payload: payload(4)}, {Unordered: true, Payload: payload(4)}, {Payload: payload(4)}}, [][]string{
			{"DATA tsn=0 sid=0 ssn=0 flags=BE", "DATA tsn=1 sid=0 ssn=0 flags=UBE", "DATA tsn=2 sid=0 ssn=1 flags=BE"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newConnected(t, Config{})
			for _, m := range tt.messages {
				if err := tc.a.Send(tc.now, m); err != nil {
					t.Fatal(err)
				}
			}
			for i, chunks := range tt.want {
				tc.want(fmt.Sprintf("packet %d", i), chunks...)
			}
			tc.wantIdle("that is all")
		})
	}
}

// TestSSNWraps after 65535. // 9260-6.5-a
func TestSSNWraps(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.a.out.stream(1).ordered = 65535
	tc.send(Message{Stream: 1, Payload: payload(4)})
	tc.want("the last", "DATA tsn=0 sid=1 ssn=65535")
	tc.send(Message{Stream: 1, Payload: payload(4)})
	tc.want("the first", "DATA tsn=1 sid=1 ssn=0")
	in := newConnected(t, Config{})
	in.a.in.stream(1).next = 65534
	for i, ssn := range []wire.SSN{0, 65535, 65534} {
		in.write(data{tsn: i, sid: 1, ssn: ssn, flags: whole, payload: fmt.Sprint(ssn)})
	}
	in.wantRead("in order", 1, "65534", "65535", "0")
}

// TestTSNWraps: a transfer goes through the end of the number space.
func TestTSNWraps(t *testing.T) {
	p := newPipe(t, Config{HeartbeatInterval: -1})
	start := wire.TSN(0xFFFFFFF0)
	p.a.sent.init(start)
	p.a.forward.init(start, true, true)
	p.b.tsns.init(start)
	for range 100 {
		if err := p.a.Send(p.now, Message{Payload: payload(1100)}); err != nil {
			t.Fatal(err)
		}
		p.run()
	}
	p.settle()
	if p.a.sent.span() != 0 || p.b.tsns.cum != start.Add(99) {
		t.Fatalf("%d outstanding, cum %d", p.a.sent.span(), p.b.tsns.cum)
	}
}

// TestSendBuffer: a message is refused as a whole, EventWritable comes when there
// is room for it, and one larger than the buffer is accepted when that is empty. // DCSCTP-limits
func TestSendBuffer(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 10_000})
	tc.send(Message{Payload: payload(4000)})
	tc.wantPackets("as the window allows", 4)
	tc.send(Message{Payload: payload(4000)})
	if err := tc.a.Send(tc.now, Message{Payload: payload(3000)}); !errors.Is(err, ErrSendBufferFull) {
		t.Fatal(err)
	}
	tc.send(Message{Payload: payload(2000)})
	if err := tc.a.Send(tc.now, Message{Payload: payload(1)}); !errors.Is(err, ErrSendBufferFull) {
		t.Fatal(err)
	}
	if got := tc.a.Stats().SendBuffered; got != 10_000 {
		t.Fatalf("%d bytes buffered", got)
	}
	tc.events = nil
	tc.write(sack{cum: -1})
	tc.wantNoEvent("no room yet")
	tc.write(sack{cum: 0})
	for tc.events[0].Kind == EventBufferedAmountLow {
		tc.events = tc.events[1:]
	}
	tc.wantEvent("room for the least that was refused", EventWritable)
	tc.wantNoEvent("told once")
	tc.send(Message{Payload: payload(1)})

	tc = newConnected(t, Config{SendBuffer: 1000})
	tc.send(Message{Payload: payload(50_000)})
	tc.send(Message{Stream: 1, Payload: payload(500)}) // it keeps no others out
	if err := tc.a.Send(tc.now, Message{Payload: payload(1)}); err != ErrSendBufferFull {
		t.Fatal(err)
	}
	if err := tc.a.Send(tc.now, Message{Payload: payload(2000)}); err != ErrLargeMessagePending || !errors.Is(err, ErrSendBufferFull) {
		t.Fatal(err)
	}
}

// TestBufferedAmount counts what has no TSN yet; its event is the edge from above
// the threshold to it. // DCSCTP-buffered-amount
func TestBufferedAmount(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.a.SetBufferedAmountLowThreshold(1, 1000)
	tc.send(Message{Stream: 1, Payload: payload(10_000)})
	sent := 4 * 1160
	if got := tc.a.BufferedAmount(1); got != 10_000-sent {
		t.Fatalf("%d bytes", got)
	}
	tc.sent = nil
	tc.wantNoEvent("above the threshold")
	tc.write(sack{cum: 1})
	tc.write(sack{cum: 3})
	tc.write(sack{cum: 7})
	if e := tc.wantEvent("fell to it", EventBufferedAmountLow); e.Stream != 1 || tc.a.BufferedAmount(1) != 0 {
		t.Fatalf("%+v, %d bytes", e, tc.a.BufferedAmount(1))
	}
	tc.wantNoEvent("once")
	tc.send(Message{Stream: 1, Payload: payload(500)})
	tc.wantNoEvent("was never above")
}

// TestImmediate: the last chunk of a message asks for its SACK if the application does,
// also when sent again. // 7053-5-a 9260-6.1-e
func TestImmediate(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(10), Immediate: true})
	tc.want("asked for", "DATA tsn=0 sid=0 ssn=0 flags=IBE")
	tc.send(Message{Payload: payload(10)})
	tc.want("not asked for", "DATA tsn=1 sid=0 ssn=1 flags=BE")
	tc.write(sack{cum: 1})
	tc.send(Message{Payload: payload(2000), Immediate: true, Unordered: true})
	tc.want("the first fragment need not", "DATA tsn=2 sid=0 ssn=0 flags=UB")
	tc.want("the last does", "DATA tsn=3 sid=0 ssn=0 flags=IUE")
	tc.write(sack{cum: 2})
	tc.advanceToTimer()
	tc.want("again", "DATA tsn=3 sid=0 ssn=0 flags=IUE")
}
