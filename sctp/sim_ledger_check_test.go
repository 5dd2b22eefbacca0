package sctp_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A history writes one into a ledger.
type history struct{ l *ledger }

var (
	reliable = sctp.Message{Stream: 7}
	limited  = sctp.Message{Stream: 7, Reliability: sctp.Reliability{LimitRetransmits: true}}
)

// send lets the sender send a message and returns its id.
func (h history) send(m sctp.Message, size int) int {
	id := len(h.l.sent)
	h.l.accepted(h.l.next(m, size))
	return id
}

// deliver lets the receiver read message id as it was sent.
func (h history) deliver(id int) {
	m := h.l.sent[id]
	h.l.delivered(m.stream, firstPPID+uint32(id), m.unordered, content(id, m.size))
}

// tell tells the sender the fate of message id.
func (h history) tell(id int, kind sctp.EventKind) {
	e := sctp.Event{Kind: kind, Stream: h.l.sent[id].stream, Message: uint64(id) + 1}
	if kind == sctp.EventMessageAbandoned {
		h.l.abandoned(e.Stream)
	}
	h.l.tell(e)
}

// reset lets a reset of the stream run its whole course.
func (h history) reset(stream uint16) {
	h.l.resetRequested(stream)
	h.l.resetReported(stream)
	h.l.ended(stream)
	h.l.resetDone(stream)
}

// TestSimulationLedgerAccepts feeds the oracle histories that are right.
func TestSimulationLedgerAccepts(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		write func(h history)
	}{
		{"nothing", func(h history) {}},
		{"in order", func(h history) {
			for range 3 {
				h.send(reliable, 10)
			}
			for id := range 3 {
				h.deliver(id)
			}
		}},
		{"streams do not wait for each other", func(h history) {
			a, b := h.send(reliable, 10), h.send(sctp.Message{Stream: 8}, 10)
			h.deliver(b)
			h.deliver(a)
		}},
		{"unordered in any order", func(h history) {
			a := h.send(reliable, 10)
			b, c := h.send(sctp.Message{Stream: 7, Unordered: true}, 10), h.send(sctp.Message{Stream: 7, Unordered: true}, 10)
			h.deliver(c)
			h.deliver(a)
			h.deliver(b)
		}},
		{"unreliable ones missing, abandoned", func(h history) {
			h.send(limited, 10)
			b := h.send(limited, 10)
			h.l.abandoned(7)
			h.deliver(b)
		}},
		{"abandoned and yet arrived", func(h history) {
			a := h.send(limited, 10)
			h.l.abandoned(7)
			h.deliver(a)
		}},
		{"cut and abandoned", func(h history) {
			a := h.send(limited, 10)
			h.l.cut(7, firstPPID+uint32(a))
			h.l.abandoned(7)
		}},
		{"a reset between", func(h history) {
			a := h.send(reliable, 10)
			h.deliver(a)
			h.reset(7)
			b := h.send(reliable, 10)
			h.deliver(b)
		}},
		{"two resets with nothing between them, told once", func(h history) {
			a := h.send(reliable, 10)
			h.deliver(a)
			h.reset(7)
			h.l.resetRequested(7)
			h.l.resetDone(7)
			b := h.send(reliable, 10)
			h.deliver(b)
			h.reset(7)
		}},
		{"two resets with nothing between them, told twice", func(h history) {
			h.reset(7)
			h.reset(7)
			a := h.send(reliable, 10)
			h.deliver(a)
		}},
		{"in parts, one given up", func(h history) {
			a, b := h.send(reliable, 10), h.send(reliable, 10)
			h.l.begun(a, 100)
			h.l.begun(b, 200)
			h.l.completed(a)
			h.tell(a, sctp.EventMessageSent)
			h.deliver(a)
			h.tell(a, sctp.EventMessageDelivered)
			h.tell(b, sctp.EventMessageAbandoned)
			h.l.cut(7, firstPPID+uint32(b))
		}},
		{"sent behind a reset that is under way", func(h history) {
			a := h.send(reliable, 10)
			h.l.resetRequested(7)
			b := h.send(reliable, 10)
			h.l.resetReported(7)
			h.deliver(a)
			h.l.ended(7)
			h.deliver(b)
			h.l.resetDone(7)
		}},
	} {
		h := history{newLedger("test")}
		tc.write(h)
		h.l.finish()
		if h.l.fault != nil {
			t.Errorf("%s: %v", tc.desc, h.l.fault)
		}
		if !h.l.complete() {
			t.Errorf("%s: not complete", tc.desc)
		}
	}
}

// TestSimulationLedgerComplains feeds the oracle histories that are wrong.
func TestSimulationLedgerComplains(t *testing.T) {
	two := func(h history) { h.send(reliable, 10); h.send(reliable, 10) }
	for _, tc := range []struct {
		desc  string
		write func(h history)
		want  string
	}{
		{"lost", func(h history) { h.send(reliable, 10) }, "did not arrive"},
		{"twice", func(h history) { two(h); h.deliver(0); h.deliver(0) }, "twice"},
		{"unreliable twice", func(h history) { h.send(limited, 10); h.deliver(0); h.deliver(0) }, "twice"},
		{"out of order", func(h history) { two(h); h.deliver(1); h.deliver(0) }, "after 1"},
		{"unreliable out of order", func(h history) {
			h.send(limited, 10)
			h.send(limited, 10)
			h.deliver(1)
			h.deliver(0)
		}, "after 1"},
		{"one bit wrong", func(h history) {
			h.send(reliable, 1000)
			p := content(0, 1000)
			p[777] ^= 4
			h.l.delivered(7, firstPPID, false, p)
		}, "damaged"},
		{"pieces swapped", func(h history) {
			h.send(reliable, 1000)
			p := content(0, 1000)
			h.l.delivered(7, firstPPID, false, append(bytes.Clone(p[500:]), p[:500]...))
		}, "damaged"},
		{"cut short", func(h history) {
			h.send(limited, 1000)
			h.l.delivered(7, firstPPID, false, content(0, 1000)[:999])
		}, "999 bytes"},
		{"two glued together", func(h history) {
			two(h)
			h.l.delivered(7, firstPPID, false, append(content(0, 10), content(1, 10)...))
		}, "20 bytes"},
		{"never sent", func(h history) { two(h); h.l.delivered(7, firstPPID+2, false, content(2, 10)) }, "nobody sent"},
		{"PPID lost", func(h history) { two(h); h.l.delivered(7, 0, false, content(0, 10)) }, "nobody sent"},
		{"wrong stream", func(h history) { two(h); h.l.delivered(8, firstPPID, false, content(0, 10)) }, "on stream 8"},
		{"wrong order mode", func(h history) { two(h); h.l.delivered(7, firstPPID, true, content(0, 10)) }, "unordered"},
		{"missing without a word", func(h history) { h.send(limited, 10) }, "1 messages missing, 0 reported"},
		{"reliable abandoned", func(h history) { two(h); h.l.abandoned(7); h.deliver(0); h.deliver(1) }, "had a limit"},
		{"in parts, not ended", func(h history) { h.l.begun(h.send(reliable, 10), 100) }, "did not arrive"},
		{"in parts, delivered before the end", func(h history) { h.l.begun(h.send(reliable, 10), 100); h.deliver(0) }, "not ended"},
		{"in parts, given up and delivered", func(h history) {
			h.l.begun(h.send(reliable, 10), 100)
			h.tell(0, sctp.EventMessageAbandoned)
			h.deliver(0)
		}, "not ended"},
		{"in parts, given up after the end", func(h history) {
			h.l.begun(h.send(reliable, 10), 100)
			h.l.completed(0)
			h.tell(0, sctp.EventMessageAbandoned)
		}, "reliable message 0 was abandoned"},
		{"in parts, without the last", func(h history) {
			h.l.begun(h.send(reliable, 10), 100)
			h.l.completed(0)
			h.l.delivered(7, firstPPID, false, content(0, 10))
		}, "has 10 bytes, 100 were sent"},
		{"reliable cut", func(h history) { two(h); h.l.cut(7, firstPPID) }, "cut"},
		{"cut on another stream", func(h history) { h.send(limited, 10); h.l.cut(8, firstPPID) }, "nobody sent"},
		{"before the reset it was sent after", func(h history) {
			h.l.resetRequested(7)
			h.send(reliable, 10)
			h.deliver(0)
		}, "after 1 resets, delivered after 0"},
		{"after the reset it was sent before", func(h history) {
			h.send(limited, 10)
			h.reset(7)
			h.deliver(0)
		}, "after 0 resets, delivered after 1"},
		{"two resets with a message between them, told once", func(h history) {
			h.reset(7)
			h.send(reliable, 10)
			h.l.resetRequested(7)
			h.l.resetDone(7)
		}, "before the peer"},
		{"two resets told once, a message too early", func(h history) {
			h.l.resetRequested(7)
			h.l.resetRequested(7)
			h.send(reliable, 10)
			h.deliver(0)
		}, "after 2 resets, delivered after 0"},
		{"end before a reliable message", func(h history) {
			h.send(reliable, 10)
			h.reset(7)
		}, "before reliable message"},
		{"reset out of nothing", func(h history) { two(h); h.l.resetReported(7) }, "0 requested"},
		{"end out of nothing", func(h history) { two(h); h.l.ended(7) }, "0 reported"},
		{"done out of nothing", func(h history) { two(h); h.l.resetDone(7) }, "requested 0"},
		{"done before the peer knew", func(h history) { h.l.resetRequested(7); h.l.resetDone(7) }, "before the peer"},
		{"done, but no end read", func(h history) {
			h.l.resetRequested(7)
			h.l.resetReported(7)
			h.l.resetDone(7)
		}, "0 ends read"},
	} {
		h := history{newLedger("test")}
		tc.write(h)
		h.l.finish()
		if h.l.fault == nil || !strings.Contains(h.l.fault.Error(), tc.want) {
			t.Errorf("%s: complaint is %v, want one with %q", tc.desc, h.l.fault, tc.want)
		}
	}
}

// A saboteur is an engine with a planted bug.
type saboteur struct {
	engine
	countdown int // calls until the bug strikes, where it strikes once
	read      func(s *saboteur, n int, info *sctp.MessageInfo, err *error, dst []byte)
	send      func(s *saboteur, m *sctp.Message) (swallow bool)
	sendMore  func(s *saboteur, stream uint16) (swallow bool)
	cancel    func(s *saboteur, now time.Time, stream uint16)
	transmit  func(s *saboteur, tr *sctp.Transmit, ok *bool)
	timeout   func(s *saboteur, at *time.Time, ok *bool)
	event     func(s *saboteur, e *sctp.Event, ok *bool)
	stats     func(st *sctp.Stats)
	kept      []byte // packet that was not copied
	keep      bool
	lend      bool // what was lent is used again
}

// strikes tells whether it is time.
func (s *saboteur) strikes() bool {
	s.countdown--
	return s.countdown == 0
}

func (s *saboteur) Send(now time.Time, m sctp.Message) error {
	if s.send != nil && s.send(s, &m) {
		return nil
	}
	return s.engine.Send(now, m)
}

func (s *saboteur) SendCopy(now time.Time, m sctp.Message) error {
	if s.send != nil && s.send(s, &m) {
		return nil
	}
	return s.engine.SendCopy(now, m)
}

func (s *saboteur) SendMore(now time.Time, stream uint16, payload []byte, more bool) error {
	if s.sendMore != nil && s.sendMore(s, stream) {
		return nil
	}
	return s.engine.SendMore(now, stream, payload, more)
}

func (s *saboteur) Cancel(now time.Time, stream uint16) {
	if s.cancel != nil {
		s.cancel(s, now, stream)
		return
	}
	s.engine.Cancel(now, stream)
}

func (s *saboteur) Borrow(now time.Time, stream uint16) (sctp.Loan, sctp.MessageInfo, error) {
	l, info, err := s.engine.Borrow(now, stream)
	if s.lend && err == nil {
		s.engine.Return(l)
	}
	return l, info, err
}

func (s *saboteur) Read(now time.Time, stream uint16, dst []byte) (int, sctp.MessageInfo, error) {
	n, info, err := s.engine.Read(now, stream, dst)
	if s.read != nil {
		s.read(s, n, &info, &err, dst)
	}
	return n, info, err
}

func (s *saboteur) Transmit(now time.Time, dst []byte) (sctp.Transmit, bool) {
	tr, ok := s.engine.Transmit(now, dst)
	if s.transmit != nil {
		s.transmit(s, &tr, &ok)
	}
	return tr, ok
}

func (s *saboteur) Timeout() (time.Time, bool) {
	at, ok := s.engine.Timeout()
	if s.timeout != nil {
		s.timeout(s, &at, &ok)
	}
	return at, ok
}

func (s *saboteur) NextEvent() (sctp.Event, bool) {
	e, ok := s.engine.NextEvent()
	if s.event != nil {
		s.event(s, &e, &ok)
	}
	return e, ok
}

func (s *saboteur) HandlePacketECN(now time.Time, path sctp.PathID, packet []byte, mark sctp.ECN) {
	if s.keep { // look at it only when the next one comes
		packet, s.kept = s.kept, packet
		if packet == nil {
			return
		}
	}
	s.engine.HandlePacketECN(now, path, packet, mark)
}

func (s *saboteur) Stats() sctp.Stats {
	st := s.engine.Stats()
	if s.stats != nil {
		s.stats(&st)
	}
	return st
}

// TestSimulationCatches plants bugs around the engine and holds that the
// simulation finds each of them soon.
func TestSimulationCatches(t *testing.T) {
	for _, tc := range []struct {
		desc string
		bug  saboteur
		want string
	}{
		{"a message is lost", saboteur{send: func(s *saboteur, _ *sctp.Message) bool { return s.strikes() }}, "did not arrive"},
		{"a message goes to another stream", saboteur{send: func(s *saboteur, m *sctp.Message) bool {
			if s.strikes() {
				m.Stream ^= 1
			}
			return false
		}}, "stream"},
		{"a byte is damaged", saboteur{read: func(s *saboteur, n int, _ *sctp.MessageInfo, err *error, dst []byte) {
			if *err == nil && s.strikes() {
				dst[n-1] ^= 0x80
			}
		}}, "damaged"},
		{"two messages are glued", saboteur{read: func(s *saboteur, _ int, info *sctp.MessageInfo, err *error, _ []byte) {
			if *err == nil && s.strikes() {
				info.Complete = false
			}
		}}, ""},
		{"a packet exceeds the MTU", saboteur{transmit: func(s *saboteur, tr *sctp.Transmit, ok *bool) {
			if *ok && s.strikes() {
				tr.Packet = append(tr.Packet, make([]byte, 9000)...)
			}
		}}, "MTU"},
		{"a timer stays in the past", saboteur{timeout: func(s *saboteur, at *time.Time, ok *bool) {
			if s.countdown--; s.countdown < 0 {
				*at, *ok = simStart.Add(time.Millisecond), true
			}
		}}, "past"},
		{"a timer fires all the time", saboteur{timeout: func(s *saboteur, at *time.Time, ok *bool) {
			if s.countdown--; s.countdown < 0 && *ok && at.After(simStart.Add(time.Second)) {
				*at = simStart.Add(time.Second)
			}
		}}, ""},
		{"a timer is forgotten", saboteur{timeout: func(s *saboteur, at *time.Time, ok *bool) {
			if s.countdown--; s.countdown < 0 {
				*ok = false
			}
		}}, "nothing"},
		{"an event is lost", saboteur{event: func(s *saboteur, e *sctp.Event, ok *bool) {
			if *ok && e.Kind == sctp.EventReadable && s.strikes() {
				*e = sctp.Event{Kind: sctp.EventPathUp}
			}
		}}, ""},
		{"a part is lost", saboteur{sendMore: func(s *saboteur, _ uint16) bool { return s.strikes() }}, ""},
		{"a message ends instead of being given up", saboteur{cancel: func(s *saboteur, now time.Time, stream uint16) {
			s.engine.SendMore(now, stream, []byte("the end"), false)
		}}, "given up"},
		{"what was lent is used again", saboteur{lend: true}, ""},
		{"a packet is kept", saboteur{keep: true}, ""},
		{"the send buffer overflows", saboteur{stats: func(st *sctp.Stats) { st.SendBuffered += 4 << 20 }}, "SendBuffered"},
		{"the receive buffer overflows", saboteur{stats: func(st *sctp.Stats) { st.ReceiveBuffered += 4 << 20 }}, "ReceiveBuffered"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			for seed := uint64(1); seed <= 30; seed++ {
				_, err := runSeed(seed, nil, func(e engine) engine {
					s := tc.bug
					s.engine, s.countdown = e, 10
					return &s
				})
				if err != nil && strings.Contains(err.Error(), tc.want) {
					return
				}
				if err != nil {
					t.Logf("seed %d: %v", seed, err)
				}
			}
			t.Errorf("not found in 30 seeds, by a complaint with %q", tc.want)
		})
	}
}
