package datachannel

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// The session sends the OPEN that it should, reliable and ordered, on the stream
// that it should (8832-6-a, 8832-v), and has opened the channel: it does not wait for
// the ACK (w3c-sctp-c).
func TestOpenOnTheWire(t *testing.T) {
	hostile(t, Config{}, false, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("chat", &Init{Unordered: true, MaxRetransmits: ptr[uint16](3)}))(t)
		info, b := r.next(1)
		want := "\x03\x81\x01\x00\x00\x00\x00\x03\x00\x04\x00\x00chat"
		if info.PPID != dcep.PPIDControl || info.Unordered || string(b) != want {
			t.Fatalf("%+v %q", info, b)
		}
		settle()
		wantState(t, ch, Open)
		r.send(1, dcep.PPIDControl, []byte{2})
		settle()
		wantState(t, ch, Open)
		r.send(1, dcep.PPIDControl, []byte{2}) // one more does no harm
		settle()
		wantState(t, ch, Open)
		r.wantResets()
	})
}

// User messages follow the OPEN at once, ordered; after the ACK, or any other
// message, as the channel has it (8832-6-c, PIONS-12).
func TestMessagesBeforeTheAck(t *testing.T) {
	for _, answer := range []struct {
		desc string
		ppid uint32
		data string
	}{{"ACK", dcep.PPIDControl, "\x02"}, {"user message", dcep.PPIDString, "overtook the ACK"}} {
		t.Run(answer.desc, func(t *testing.T) {
			hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				ch := value(s.CreateChannel("", &Init{Unordered: true}))(t)
				check(t, ch.WriteMessage(background, []byte("early"), true))
				r.next(0)
				if info, b := r.next(0); string(b) != "early" || info.Unordered || info.PPID != dcep.PPIDString {
					t.Fatalf("%+v %s, want it ordered", info, b)
				}
				r.send(0, answer.ppid, []byte(answer.data))
				settle()
				wantState(t, ch, Open)
				check(t, ch.Send([]byte("late")))
				if info, b := r.next(0); string(b) != "late" || !info.Unordered {
					t.Fatalf("%+v %s, want it unordered", info, b)
				}
			})
		})
	}
}

// Messages before the ACK have the reliability of the channel (PIONS-12): one
// whose lifetime is over does not arrive, the OPEN does.
func TestReliabilityBeforeTheAck(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", &Init{MaxPacketLifeTime: ptr[uint16](0)}))(t)
		// The window of the peer is full of what nobody reads: nothing is sent now.
		other := value(s.CreateChannel("", nil))(t)
		settle() // so that the first packets leave within the call
		check(t, other.WriteMessage(background, make([]byte, 65536), false))
		check(t, ch.WriteMessage(background, []byte("late"), false))
		settle()
		r.next(0)
		r.wantNothing(0)
	})
}

// A responder acknowledges, on the same stream, ordered (8832-6-b), and its
// messages may be unordered at once.
func TestAckOnTheWire(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(65533, dcep.Open{ChannelType: dcep.PartialReliableRexmitUnordered, Reliability: 1 << 20, Label: "l"})
		r.wantAck(65533)
		ch := r.accept(s)
		if n, ok := ch.MaxRetransmits(); n != 65535 || !ok { // w3c-create-a: clamped
			t.Errorf("MaxRetransmits = %d, %v", n, ok)
		}
		check(t, ch.SendText(""))
		if info, b := r.next(65533); info.PPID != dcep.PPIDStringEmpty || !info.Unordered || len(b) != 1 {
			t.Errorf("%+v %x", info, b)
		}
		r.wantResets()
	})
}

// A bad OPEN gets a reset and no ACK, and disturbs no other channel (8832-6-b,
// PIONS-11). The session is the DTLS client: the peer opens odd streams.
func TestBadOpens(t *testing.T) {
	good := value(dcep.AppendOpen(nil, dcep.Open{Label: "good", Protocol: "p"}))(t)
	change := func(at int, b byte) []byte {
		m := bytes.Clone(good)
		m[at] = b
		return m
	}
	cases := []struct {
		desc    string
		stream  uint16
		ppid    uint32
		payload []byte
		unorder bool
	}{
		{"parity", 2, dcep.PPIDControl, good, false},
		{"unknown message type", 3, dcep.PPIDControl, change(0, 4), false},
		{"reserved message type", 3, dcep.PPIDControl, change(0, 0), false},
		{"unknown channel type", 3, dcep.PPIDControl, change(1, 3), false},
		{"reserved channel type", 3, dcep.PPIDControl, change(1, 0x7f), false},
		{"label length", 3, dcep.PPIDControl, change(9, 5), false},
		{"label length beyond all", 3, dcep.PPIDControl, change(8, 0xff), false},
		{"protocol length", 3, dcep.PPIDControl, change(11, 0), false},
		{"label not UTF-8", 3, dcep.PPIDControl, change(12, 0xff), false},
		{"protocol not UTF-8", 3, dcep.PPIDControl, change(16, 0x80), false},
		{"truncated header", 3, dcep.PPIDControl, good[:11], false},
		{"truncated label", 3, dcep.PPIDControl, good[:14], false},
		{"trailing byte", 3, dcep.PPIDControl, append(bytes.Clone(good), 0), false},
		{"larger than any", 3, dcep.PPIDControl, append(bytes.Clone(good), make([]byte, 300000)...), false},
		{"unordered", 3, dcep.PPIDControl, good, true},
		{"ACK on an unused stream", 3, dcep.PPIDControl, []byte{2}, false},
		{"user data on an unused stream", 3, dcep.PPIDBinary, []byte("data"), false}, // 8832-6-d
		{"unknown identifier on an unused stream", 3, 99, []byte("data"), false},
		{"stream beyond the association's", 2001, dcep.PPIDControl, nil, false},
	}
	for _, c := range cases {
		t.Run(c.desc, func(t *testing.T) {
			hostile(t, Config{SCTP: sctp.Config{OutboundStreams: 2000}}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				r.sendOpen(1, dcep.Open{Label: "before"})
				before := r.accept(s)
				r.wantAck(1)
				if c.payload != nil {
					check(t, r.conn.WriteMessage(background, sctp.Message{Stream: c.stream, PPID: c.ppid, Payload: c.payload, Unordered: c.unorder}))
					r.wantResets(c.stream)
				} else {
					r.sendOpen(c.stream, dcep.Open{}) // no stream to reset
					r.wantResets()
				}
				r.wantNothing(c.stream)

				r.send(c.stream, dcep.PPIDBinary, []byte("more on the dead stream"))
				r.sendOpen(5, dcep.Open{Label: "after"})
				r.wantAck(5)
				after := r.accept(s)
				r.send(5, dcep.PPIDString, []byte("works"))
				wantMessage(t, after, "works", true)
				r.send(1, dcep.PPIDString, []byte("still works"))
				wantMessage(t, before, "still works", true)
				if st := s.Stats(); st.StreamsRefused != 1 || st.ChannelsAccepted != 2 {
					t.Errorf("%d refused, %d accepted", st.StreamsRefused, st.ChannelsAccepted)
				}

				if c.payload == nil {
					return
				}
				// 8832-6: after the reset of the peer's side the stream can be used again.
				check(t, r.conn.ResetStreams(c.stream))
				settle()
				if c.stream%2 == 1 {
					r.drainReset(c.stream)
					r.sendOpen(c.stream, dcep.Open{Label: "again"})
					r.wantAck(c.stream)
				}
			})
		})
	}
}

// drainReset reads the mark that a reset left on a stream.
func (r *rawPeer) drainReset(stream uint16) {
	r.t.Helper()
	if _, _, err := r.conn.TryReadMessage(stream, nil); err == nil || err.Error() != "EOF" {
		r.t.Fatalf("on stream %d: %v, want the mark of a reset", stream, err)
	}
}

// An OPEN or garbage on a stream in use closes that channel, and no other
// (8832-6-b).
func TestBadControlOnUsedStream(t *testing.T) {
	for desc, payload := range map[string][]byte{
		"OPEN": value(dcep.AppendOpen(nil, dcep.Open{}))(t), "garbage": []byte("?"),
		"too long": append([]byte{3}, make([]byte, 200000)...),
	} {
		t.Run(desc, func(t *testing.T) {
			hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				r.sendOpen(1, dcep.Open{})
				ch := r.accept(s)
				r.wantAck(1)
				var j journal
				j.watch(ch)
				j.want(t, "open open")
				r.send(1, dcep.PPIDControl, payload)
				r.send(1, dcep.PPIDBinary, []byte("lost"))
				r.wantResets(1)
				check(t, r.conn.ResetStreams(1))
				j.want(t, "error data-channel-failure", "closing closing", "close closed")
				r.drainReset(1)
				r.sendOpen(1, dcep.Open{Label: "anew"})
				r.wantAck(1)
			})
		})
	}
}

// What peers that flood the session with OPENs make it hold is bounded, whatever
// their labels: the rest waits in the receive window, or is refused (8832-7-a).
func TestOpenFlood(t *testing.T) {
	const flood = 200
	huge := dcep.Open{Label: strings.Repeat("l", 65535), Protocol: strings.Repeat("p", 65535)}
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range uint16(flood) {
				r.sendOpen(2*i+1, huge)
			}
		}()
		settle()
		s.lock()
		unannounced, held := s.incoming.unannounced, s.incoming.named+s.recv.held
		s.unlock()
		if unannounced > maxUnannounced+200000 || held > maxUnannounced+maxPartials+200000 {
			t.Errorf("%d bytes unannounced, %d held", unannounced, held)
		}
		if st := s.Stats().SCTP; st.ReceiveBuffered > 3<<20 {
			t.Errorf("%d bytes in the association", st.ReceiveBuffered)
		}
		// An application that takes what comes sees channels up to the second bound.
		accepted := 0
		for {
			ctx, cancel := timeout(time.Minute)
			_, err := s.Accept(ctx)
			cancel()
			if err != nil {
				break
			}
			accepted++
		}
		<-sent
		if want := maxNamed / (2 * 65535); accepted != want {
			t.Errorf("accepted %d channels, want %d", accepted, want)
		}
		if st := s.Stats(); st.StreamsRefused != flood-uint64(accepted) {
			t.Errorf("refused %d", st.StreamsRefused)
		}
		// And they are free again when the peer closes them.
		for i := range uint16(flood) {
			check(t, r.conn.ResetStreams(2*i+1))
		}
		settle()
		s.lock()
		defer s.unlock()
		if len(s.streams) != 0 || s.incoming.named != 0 || s.incoming.unannounced != 0 {
			t.Errorf("%d streams, %d bytes of names, %d unannounced remain", len(s.streams), s.incoming.named, s.incoming.unannounced)
		}
	})
}

// Beginnings of OPENs beyond the bound are refused.
func TestTooManyBeginnings(t *testing.T) {
	cfg := Config{SCTP: sctp.Config{ReceiveBuffer: 4096}}
	hostile(t, cfg, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		s.lock()
		s.recv.held = maxPartials - 10000
		s.unlock()
		r.sendOpen(1, dcep.Open{Label: string(pattern(5000, 0))})
		r.wantAck(1)
		r.sendOpen(3, dcep.Open{Label: string(pattern(30000, 0))})
		r.wantResets(3)
		r.wantNothing(3)
		s.lock()
		defer s.unlock()
		if s.recv.held != maxPartials-10000 || len(s.recv.partials) != 0 {
			t.Errorf("%d bytes, %d beginnings", s.recv.held, len(s.recv.partials))
		}
	})
}

// A peer that begins OPENs on many streams and finishes none cannot make the
// session hold more than a bound.
func TestUnfinishedOpens(t *testing.T) {
	// A small buffer makes the association deliver in pieces.
	cfg := Config{SCTP: sctp.Config{ReceiveBuffer: 4096}}
	hostile(t, cfg, true, sctp.Config{SendBuffer: 64 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
		whole := value(dcep.AppendOpen(nil, dcep.Open{Label: strings.Repeat("l", 65535), Protocol: strings.Repeat("p", 65535)}))(t)
		for i := range uint16(60) {
			r.send(2*i+1, dcep.PPIDControl, whole)
		}
		for range 600 {
			netsim.Elapse(100 * time.Millisecond)
			s.lock()
			if s.recv.held > maxPartials || s.incoming.unannounced > maxUnannounced+200000 {
				t.Fatalf("%d bytes of beginnings, %d unannounced", s.recv.held, s.incoming.unannounced)
			}
			s.unlock()
		}
	})
}

// TestOddAcks: Chromium acknowledges an unordered channel with an unordered ACK, pion/webrtc any
// with an ACK of four bytes.
func TestOddAcks(t *testing.T) {
	for _, ack := range []sctp.Message{
		{PPID: dcep.PPIDControl, Payload: dcep.AppendAck(nil), Unordered: true},
		{PPID: dcep.PPIDControl, Payload: append(dcep.AppendAck(nil), 0, 0, 0)},
	} {
		hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
			ch := value(s.CreateChannel("", &Init{Unordered: true}))(t)
			r.next(0)
			check(t, r.conn.WriteMessage(background, ack))
			settle()
			wantState(t, ch, Open)
		})
	}
}
