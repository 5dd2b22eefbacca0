package sctp

import (
	"fmt"
	"testing"
)

// Parts larger than the buffer are not kept out of it by a message that is, too, and waits for their end.
func TestLargePartsBeforeLargeMessage(t *testing.T) {
	for _, frugal := range []bool{false, true} {
		p := newPipe(t, Config{SendBuffer: 4000, Frugal: frugal, NoInterleaving: true, HeartbeatInterval: -1})
		check := func(desc string, err, want error) {
			t.Helper()
			if err != want {
				t.Fatalf("%s: %v, want %v", desc, err, want)
			}
		}
		settle := func() {
			for range 20 {
				p.settle()
			}
		}
		check("the beginning", p.a.Send(p.now, Message{Stream: 1, Payload: payload(100), More: true}), nil)
		p.settle()
		check("a large one", p.a.Send(p.now, Message{Stream: 2, Payload: payload(9000)}), nil)
		check("another", p.a.Send(p.now, Message{Stream: 3, Payload: payload(9000)}), ErrLargeMessagePending)
		for i, more := range []bool{true, true, false} {
			check(fmt.Sprint("part ", i), p.a.SendMore(p.now, 1, payload(7000), more), nil)
			if more {
				check("the next is too early", p.a.SendMore(p.now, 1, payload(7000), false), ErrSendBufferFull)
			}
			check("a short one", p.a.Send(p.now, Message{Stream: 4, Payload: payload(10)}), ErrSendBufferFull)
			settle()
			if s := p.a.invariants(p.now); s != "" {
				t.Fatal(s)
			}
		}
		settle()
		check("the other", p.a.Send(p.now, Message{Stream: 3, Payload: payload(9000)}), nil)
		settle()
		if s, r := p.a.Stats(), p.b.Stats(); s.SendBuffered != 0 || r.MessagesReceived != 3 || p.a.out.large != nil {
			t.Fatalf("%d bytes are left, %d messages arrived", s.SendBuffered, r.MessagesReceived)
		}
	}
}
